"""Plain working days on Windows: people log on, open programs, browse; servers and administrators do their rounds."""

from __future__ import annotations

from random import Random

from tools.story.company import HOST, PEOPLE, SERVERS, WORKSTATIONS, Host, Person
from tools.story.formats import sysmon, windows
from tools.story.formats.sysmon import POWERSHELL, SYS32
from tools.story.formats.web import visit
from tools.story.recorder import Story, t

OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
EDGE = "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe"
SITES = (
    "outlook.office365.com",
    "teams.microsoft.com",
    "login.microsoftonline.com",
    "marlundexample.sharepoint.com",
    "edge.microsoft.com",
    "www.wikipedia.org",
    "www.hafenblatt.example",
    "crm.leadharbor.example",
    "www.tidecharts.example",
    "meet.clearcall.example",
    "www.elbe-bank.example",
    "docs.sensorworks.example",
    "www.werftnews.example",
    "travel.hansaflug.example",
    "www.kantine-menu.example",
    "radio.nordwelle.example",
    "weather.frontal.example",
    "intranet-cdn.paperclip.example",
    "portal.seaworthy-parts.example",
    "graph.microsoft.com",
)
DEVELOPER_SITES = (
    "github.com",
    "api.github.com",
    "pypi.org",
    "registry.npmjs.org",
    "sts.eu-central-1.amazonaws.com",
    "s3.eu-central-1.amazonaws.com",
)
_DOCUMENTS = (
    "Angebot_Werft_Nord",
    "Pruefprotokoll_MS7",
    "Forecast_Q4",
    "Lieferplan_KW42",
    "Protokoll_Jour_fixe",
    "Sensor_MS7_Datenblatt",
    "Reisekosten_Oktober",
    "Preisliste_2026",
    "Stueckliste_A114",
)


def present(rng: Random, person: Person, day: int) -> bool:
    """Whether a person works on a day; those of the stories always do."""
    if person.sam == "henrik.lund" or (person.sam == "sofia.lindqvist" and day > 1):
        return False  # both are travelling
    return person.sam in _ALWAYS or rng.random() < 0.93


_ALWAYS = {
    "tomas.reuter",
    "petra.vogel",
    "marco.santini",
    "sofia.lindqvist",
    "lena.brandt",
    "jonas.keller",
    "pieter.devries",
    "amira.haddad",
}


def _program(rng: Random, person: Person) -> tuple[str, str]:
    document = f"C:\\Users\\{person.sam}\\Documents\\{rng.choice(_DOCUMENTS)}"
    choices = [
        (OFFICE + "OUTLOOK.EXE", f'"{OFFICE}OUTLOOK.EXE"'),
        (OFFICE + "WINWORD.EXE", f'"{OFFICE}WINWORD.EXE" /n "{document}.docx" /o ""'),
        (OFFICE + "EXCEL.EXE", f'"{OFFICE}EXCEL.EXE" "{document}.xlsx"'),
        (EDGE, f'"{EDGE}" --profile-directory=Default'),
        (
            "C:\\Program Files\\WindowsApps\\MSTeams_24257.205.3165.2029_x64__8wekyb3d8bbwe\\ms-teams.exe",
            '"ms-teams.exe" msteams:system-initiated',
        ),
        (
            "C:\\Program Files\\Adobe\\Acrobat Reader DC\\Reader\\AcroRd32.exe",
            f'"C:\\Program Files\\Adobe\\Acrobat Reader DC\\Reader\\AcroRd32.exe" "{document}.pdf"',
        ),
    ]
    if person.department == "Engineering":
        choices += [
            (
                "C:\\Program Files\\Microsoft VS Code\\Code.exe",
                '"C:\\Program Files\\Microsoft VS Code\\Code.exe" --unity-launch',
            ),
            (
                "C:\\Program Files\\Git\\cmd\\git.exe",
                rng.choice(("git fetch --all --prune", "git status", "git pull --rebase", "git push origin HEAD")),
            ),
            (
                "C:\\Program Files\\Python312\\python.exe",
                rng.choice(("python -m pytest -q", "python tools\\flash.py --port COM4", "python -m http.server 8000")),
            ),
            (POWERSHELL, 'powershell.exe -NoLogo -NoExit -Command "Set-Location C:\\src"'),
            (SYS32 + "cmd.exe", "cmd.exe /c build.cmd release"),
        ]
    return rng.choice(choices)


def _desk(s: Story, host: Host, person: Person, day: int) -> None:
    """One person's day at their machine."""
    rng = s.rng
    start = t(day, "05:40") + rng.randrange(80 * 60_000)
    windows.logon(s, host, start, person.sam, rng.choice((2, 11)))
    for server in ("DC01", "FS01"):
        windows.logon(s, HOST[server], start + rng.randint(500, 9000), person.sam, 3, source=host.address)
    windows.service_ticket(s, HOST["DC01"], start + 400, person.sam, "FS01$", host.address)
    explorer = sysmon.resident(host, start, "explorer.exe", person.sam)
    browser = sysmon.process(s, explorer, start + 40_000, EDGE, f'"{EDGE}" --no-startup-window --win-session-start')
    for _ in range(rng.randint(4, 7)):
        at = s.work_time(day)
        image, command = _program(rng, person)
        program = sysmon.process(s, explorer, at, image, command)
        if image.endswith(("WINWORD.EXE", "EXCEL.EXE")) and rng.random() < 0.4:
            sysmon.file_created(
                s, program, at + 30_000, f"C:\\Users\\{person.sam}\\Documents\\~${rng.choice(_DOCUMENTS)[2:]}.docx"
            )
        if "git.exe" in image and rng.random() < 0.5:
            sysmon.network(s, program, at + 200, HOST["git01"].address, 443, s.port(), "git01.corp.marlund.example")
    sites = SITES + (DEVELOPER_SITES if person.department == "Engineering" else ())
    for _ in range(rng.randint(6, 10)):
        visit(s, host, s.work_time(day), rng.choice(sites), proc=browser if rng.random() < 0.3 else None, seen=0.2)
    if rng.random() < 0.15:
        windows.logon_failed(s, host, start - rng.randint(4000, 30_000), person.sam, 2)
    if rng.random() < 0.3:
        windows.logon(s, host, t(day, "10:50") + rng.randrange(600_000), person.sam, 7)


def _housekeeping(s: Story, host: Host, day: int) -> None:
    """What a Windows machine does by itself: updates, Defender, telemetry."""
    rng, at = s.rng, s.work_time(day)
    services = sysmon.resident(host, at, "services.exe")
    host_process = sysmon.resident(host, at, "svchost.exe")
    sysmon.process(
        s,
        host_process,
        at,
        "C:\\Program Files (x86)\\Microsoft\\EdgeUpdate\\MicrosoftEdgeUpdate.exe",
        '"C:\\Program Files (x86)\\Microsoft\\EdgeUpdate\\MicrosoftEdgeUpdate.exe" /ua /installsource scheduler',
    )
    defender = sysmon.process(
        s,
        services,
        at + 91_000,
        "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24090.11-0\\MpCmdRun.exe",
        '"MpCmdRun.exe" SignatureUpdate -ScheduleJob -RestrictPrivileges',
    )
    visit(
        s, host, at + 92_000, "definitionupdates.microsoft.com", proc=defender if rng.random() < 0.4 else None, seen=0.1
    )
    if rng.random() < 0.4:
        visit(
            s,
            host,
            at + 400_000,
            "ctldl.windowsupdate.com",
            plain="/msdownload/update/v3/static/trustedr/en/disallowedcertstl.cab",
            agent="Microsoft-CryptoAPI/10.0",
            mime="application/vnd.ms-cab-compressed",
            filename="disallowedcertstl.cab",
        )
    if rng.random() < 0.5:
        sysmon.registry_set(
            s,
            host_process,
            at + 5000,
            "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Orchestrator\\UScheduler\\LastRun",
            "Binary Data",
        )


def _servers(s: Story, day: int) -> None:
    """Servers through day and night: service log-ons, the nightly backup, monitoring."""
    rng = s.rng
    for host in SERVERS:
        if not host.windows or host.name == "RT-WS01":
            continue
        for _ in range(3):
            windows.logon(s, host, s.any_time(day), "SYSTEM", 5)
        _housekeeping(s, host, day)
        at = t(day, "00:20") + host.number * 41_000
        windows.logon(s, host, at, "svc-backup", 3, source=HOST["BKP01"].address, elevated=True)
        agent = sysmon.resident(host, at, "services.exe")
        sysmon.process(
            s,
            agent,
            at + 4000,
            "C:\\Program Files\\KeepSafe\\Agent\\ksagent.exe",
            '"C:\\Program Files\\KeepSafe\\Agent\\ksagent.exe" --job nightly --vss',
        )
    for hour in range(24):
        at = t(day, f"{hour:02d}:07") + rng.randrange(60_000)
        windows.logon(
            s, HOST["SQL01"], at, "svc-erp", 3, source=HOST["APP01"].address, package="NTLM", workstation="APP01"
        )


def _administrators(s: Story, day: int) -> None:
    """Administrators at work in the day, by remote desktop from the jump host, with the usual tools."""
    rng = s.rng
    commands = (
        (POWERSHELL, 'powershell.exe -NoProfile -Command "Get-EventLog -LogName System -Newest 50"'),
        (POWERSHELL, "powershell.exe -ExecutionPolicy Bypass -File C:\\Admin\\Scripts\\Get-DiskReport.ps1"),
        (SYS32 + "mmc.exe", '"C:\\Windows\\system32\\mmc.exe" "C:\\Windows\\system32\\dsa.msc"'),
        (SYS32 + "whoami.exe", "whoami /groups"),
        (SYS32 + "ipconfig.exe", "ipconfig /all"),
        (SYS32 + "nltest.exe", "nltest /dsgetdc:corp.marlund.example"),
        (SYS32 + "net.exe", "net user svc-erp /domain"),
        (SYS32 + "systeminfo.exe", "systeminfo"),
        (SYS32 + "tasklist.exe", "tasklist /svc"),
    )
    for admin in ("adm.jkeller", "adm.pdevries", "adm.ahaddad"):
        for _ in range(rng.randint(2, 4)):
            host, at = (
                HOST[rng.choice(("FS01", "FS02", "APP01", "SQL01", "PRN01", "ADC01", "WSUS01"))],
                s.work_time(day),
            )
            windows.logon(s, HOST["JUMP01"], at - 40_000, admin, 10, source="10.20.1.24", elevated=True)
            windows.logon(s, host, at, admin, 10, source=HOST["JUMP01"].address, elevated=True)
            explorer = sysmon.resident(host, at, "explorer.exe", admin)
            for step in range(rng.randint(1, 4)):
                image, command = rng.choice(commands)
                sysmon.process(s, explorer, at + 60_000 * (step + 1), image, command, integrity="High")


def _mobile(s: Story, day: int) -> None:
    """Field engineers by VPN in the evening: the gateway's own records are in its syslog; here only what they open."""
    for person in PEOPLE:
        if person.department == "Service" and person.number != 55 and s.rng.random() < 0.6:
            at = t(day, "17:10") + s.rng.randrange(3 * 3_600_000)
            host = next(host for host in WORKSTATIONS if host.owner == person.sam)
            windows.logon(s, HOST["FS01"], at, person.sam, 3, source=host.address)


def write(s: Story) -> None:
    """All three days."""
    for day in (1, 2, 3):
        with s.part(f"everyday-{day}") as rng:
            for host in WORKSTATIONS:
                person = next(person for person in PEOPLE if person.sam == host.owner)
                if present(rng, person, day):
                    _desk(s, host, person, day)
                    _housekeeping(s, host, day)
            _servers(s, day)
            _administrators(s, day)
            _mobile(s, day)
