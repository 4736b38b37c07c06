"""People whose ordinary life looks odd: a journey, a journey nobody announced, a new starter."""

from __future__ import annotations

from tools.story.company import BY_SAM, HOST
from tools.story.formats import cloudtrail, entra, office, sysmon, windows
from tools.story.formats.sysmon import SYS32
from tools.story.recorder import Story, t

TRAVEL, UNANNOUNCED, STARTER = "travelling-employee", "unannounced-journey", "new-starter"


def travelling(s: Story) -> None:
    """Sofia is at a fair in Singapore from Wednesday; on Tuesday noon she was in Hamburg."""
    sofia = BY_SAM["sofia.lindqvist"]
    device, hotel, fair = entra.company_device(sofia), "192.0.2.178", "192.0.2.181"
    with s.part("travelling", TRAVEL) as rng:
        entra.sign_in(s, t(1, "09:50"), sofia, sofia.egress, "DE", 64496, device)
        for day, clock, address, asn in (
            (2, "00:40", hotel, 64503),
            (2, "04:10", fair, 64504),
            (2, "11:20", hotel, 64503),
            (3, "00:35", hotel, 64503),
            (3, "05:15", fair, 64504),
            (3, "12:05", hotel, 64503),
        ):
            entra.sign_in(
                s,
                t(day, clock),
                sofia,
                address,
                "SG",
                asn,
                device,
                mfa="push",
                risk="medium" if (day, clock) == (2, "00:40") else "none",
                risk_events=("unlikelyTravel",) if (day, clock) == (2, "00:40") else (),
            )
            entra.sign_in(
                s,
                t(day, clock) + 240_000,
                sofia,
                address,
                "SG",
                asn,
                device,
                app="Microsoft Office",
                client="Mobile Apps and Desktop clients",
                interactive=False,
            )
            office.logged_in(s, t(day, clock) + 30_000, sofia, address)
            office.mail_accessed(s, t(day, clock) + 300_000, sofia, address, rng.randint(2, 6), "Client=MSExchangeRPC")
            for number in range(3):
                office.file_operation(
                    s,
                    t(day, clock) + 600_000 + number * 50_000,
                    sofia.upn,
                    address,
                    "FileDownloaded",
                    "sites/Vertrieb",
                    f"Messe/Singapur/Angebot_{number}.docx",
                )


def unannounced(s: Story) -> None:
    """The chief executive flies to Boston and tells nobody in IT: known device, multi-factor approved."""
    henrik = BY_SAM["henrik.lund"]
    device = entra.company_device(henrik)
    with s.part("unannounced", UNANNOUNCED):
        entra.sign_in(s, t(1, "13:40"), henrik, "192.0.2.186", "US", 64505, device, error=50074, mfa="denied")
        for day, clock in ((1, "13:41"), (1, "22:15"), (2, "12:30"), (2, "21:50"), (3, "13:05")):
            entra.sign_in(
                s,
                t(day, clock),
                henrik,
                "192.0.2.186",
                "US",
                64505,
                device,
                mfa="push",
                risk="medium" if (day, clock) == (1, "13:41") else "none",
                risk_events=("unfamiliarFeatures",) if (day, clock) == (1, "13:41") else (),
            )
            office.logged_in(s, t(day, clock) + 20_000, henrik, "192.0.2.186")
            office.mail_accessed(s, t(day, clock) + 200_000, henrik, "192.0.2.186", 3, "Client=MSExchangeRPC")


def starter(s: Story) -> None:
    """A new administrator starts: accounts, groups, an AWS user, as the ticket says."""
    controller = HOST["DC01"]
    with s.part("starter", STARTER):
        windows.logon(s, controller, t(3, "07:00"), "adm.ahaddad", 10, source=HOST["JUMP01"].address, elevated=True)
        console = sysmon.process(
            s,
            sysmon.resident(controller, t(3, "07:01"), "explorer.exe", "adm.ahaddad"),
            t(3, "07:02"),
            SYS32 + "mmc.exe",
            '"C:\\Windows\\system32\\mmc.exe" "C:\\Windows\\system32\\dsa.msc"',
            integrity="High",
        )
        windows.account_created(s, controller, t(3, "07:05"), "adm.ahaddad", "adm.mzimmer", "Max Zimmer (admin)")
        windows.group_added(s, controller, t(3, "07:07"), "adm.ahaddad", "adm.mzimmer", "Server Operators", 549)
        windows.group_added(s, controller, t(3, "07:08"), "adm.ahaddad", "adm.mzimmer", "Domain Admins")
        sysmon.process(
            s, console, t(3, "07:12"), SYS32 + "cmd.exe", "cmd.exe /c net user adm.mzimmer /domain", integrity="High"
        )
        admin = cloudtrail.Caller(
            "AWSReservedSSO_Administrator_4c1f", "ASIA4STARTER0MIRIAM0A", "miriam.adler", mfa="true"
        )
        for order, (name, parameters) in enumerate(
            (
                ("CreateUser", {"userName": "max.zimmer"}),
                ("AddUserToGroup", {"userName": "max.zimmer", "groupName": "platform"}),
                ("CreateAccessKey", {"userName": "max.zimmer"}),
            )
        ):
            cloudtrail.call(
                s,
                t(3, "07:40") + order * 40_000,
                admin,
                "iam",
                name,
                "192.0.2.10",
                cloudtrail.CONSOLE,
                parameters=parameters,
            )


def write(s: Story) -> None:
    """All three of them."""
    travelling(s)
    unannounced(s)
    starter(s)
