"""Chain 1: a look-alike mail, a sign-in through a proxy, a session from abroad, a hiding rule, a fraud mail."""

from __future__ import annotations

from tools.story.benign.everyday import EDGE
from tools.story.company import BY_SAM, HOST, Person
from tools.story.formats import entra, mail, network, office, sysmon
from tools.story.formats.web import ADDRESS, visit
from tools.story.recorder import Story, t

INCIDENT = "attack-phishing-session"
PAGE = "sso.rnarlund.example"
PROXY, THIEF = ADDRESS[PAGE], "198.51.100.77"
_TOMAS = BY_SAM["tomas.reuter"]
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
_STOLEN = entra.Device("", "", "Linux", "Firefox 130.0", _AGENT)
_PROXIED = entra.Device("", "", "Windows10", "Edge 129.0.0", entra.company_device(_TOMAS).agent)
_VISITS = ((1, "09:31"), (1, "15:12"), (2, "05:44"), (2, "08:10"), (3, "06:30"), (3, "11:47"))
_TEXT = """Hello {0},

your October salary statement could not be delivered. Please confirm your details today:
https://portal.marlund.example/payroll

Marlund Payroll
"""
_HTML = """<p>Hello {0},</p>
<p>your October salary statement could not be delivered. Please confirm your details <b>today</b>:</p>
<p><a href="https://sso.rnarlund.example/payroll?id={1}">https://portal.marlund.example/payroll</a></p>
<p>Marlund Payroll</p>
"""
_FRAUD = """Dear {0},

our bank has changed. From today please pay all open invoices to IBAN LT12 1000 0111 0100 1000
and confirm by return.

Best regards
{1}
"""


def _mail_to(s: Story, person: Person) -> mail.Mail:
    return mail.Mail(
        sender="Marlund Payroll <payroll@rnarlund.example>",
        to=f"{person.name} <{person.upn}>",
        subject="Your October statement: action needed today",
        text=_TEXT.format(person.given),
        html=_HTML.format(person.given, s.token(10)),
        envelope="bounce@mail-relay-77.example",
        helo="vps-771.mail-relay-77.example",
        address="198.51.100.71",
        auth=mail.Auth("fail", "none", "fail"),
        headers=(("Reply-To", "payroll@marlund-payroll.example"), ("X-Priority", "1")),
    )


def _lure(s: Story) -> None:
    """Three mails; Tomas reads his, signs in through the proxy and approves the second factor."""
    mail.eml(s, t(1, "07:41"), "payroll-statement", _mail_to(s, _TOMAS))
    for order, sam in enumerate(("greta.mohr", "willem.bakker")):
        mail.journal(s, t(1, "07:41:03") + order * 2300, _mail_to(s, BY_SAM[sam]))
    host = HOST["WS-008"]
    browser = sysmon.spawn(host, t(1, "06:20"), _TOMAS.sam, EDGE, f'"{EDGE}" --no-startup-window')
    visit(s, host, t(1, "08:02"), PAGE, proc=browser)
    visit(s, host, t(1, "08:02:30"), PAGE, sent=4100)
    flow = (host.address, s.port(), PROXY, 443)
    seen = (PAGE, "Intel::DOMAIN", "SSL::IN_SERVER_NAME", "sharing-group-maritime")
    network.intel(s, t(1, "08:02:31"), network.new_uid(s), flow, *seen)
    place = (PROXY, "RO", 64507, _PROXIED)
    events = ("unfamiliarFeatures",)
    entra.sign_in(s, t(1, "08:04"), _TOMAS, *place, mfa="push", risk="medium", risk_events=events)


def _session(s: Story) -> None:
    """The stolen session reads mail, a few messages at a time, for three days."""
    for day, clock in _VISITS:
        at, noticed = t(day, clock), day == 2
        entra.sign_in(
            s,
            at,
            _TOMAS,
            *(THIEF, "BR", 64508, _STOLEN),
            app="One Outlook Web",
            interactive=(day, clock) == _VISITS[0],
            risk="high" if noticed else "none",
            risk_events=("anomalousToken",) if noticed else (),
        )
        office.logged_in(s, at + 15_000, _TOMAS, THIEF, agent=_AGENT)
        for step in range(s.rng.randint(2, 4)):
            moment, count = at + 90_000 + step * 200_000, s.rng.randint(4, 14)
            office.mail_accessed(s, moment, _TOMAS, THIEF, count, "Client=OWA;Action=ViaProxy")


def _fraud(s: Story) -> None:
    """Answers about money go where nobody looks; two customers are told of a new bank account."""
    hide = {"MoveToFolder": "RSS Feeds", "MarkAsRead": "True", "StopProcessingRules": "True"}
    words = "invoice;payment;IBAN;Rechnung"
    office.inbox_rule(s, t(2, "05:52"), _TOMAS, THIEF, ".", SubjectOrBodyContainsWords=words, **hide)
    words += ";fjordlines"
    office.inbox_rule(s, t(3, "06:41"), _TOMAS, THIEF, ".", "Set-InboxRule", SubjectOrBodyContainsWords=words, **hide)
    subject = "Re: Invoice 2026-4471 - new bank details"
    for at, name, address in (
        (t(2, "08:22"), "Ole Dahl", "ole.dahl@fjordlines.example"),
        (t(3, "06:55"), "Lea Brix", "lea.brix@werft-nord.example"),
    ):
        office.mail_item(s, at, _TOMAS, THIEF, "Send", subject)
        office.mail_item(s, at + 40_000, _TOMAS, THIEF, "HardDelete", subject)
        letter = mail.Mail(
            sender=f"{_TOMAS.name} <{_TOMAS.upn}>",
            to=f"{name} <{address}>",
            subject=subject,
            text=_FRAUD.format(name, _TOMAS.name),
            address=THIEF,
            outbound=True,
        )
        mail.journal(s, at + 2000, letter)


def write(s: Story) -> None:
    """Tuesday 07:41 to Thursday noon."""
    with s.part("phishing", INCIDENT):
        _lure(s)
        _session(s)
        _fraud(s)
