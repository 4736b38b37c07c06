# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""What was planned and announced: a software roll-out and a maintenance night."""

from __future__ import annotations

import base64

from tools.story.company import HOST, WORKSTATIONS
from tools.story.formats import linux, network, sysmon, web, windows
from tools.story.formats.sysmon import POWERSHELL, SYS32, Proc
from tools.story.recorder import Story, t

ROLL_OUT, MAINTENANCE = "software-roll-out", "maintenance-night"
PSEXEC = "C:\\Admin\\Tools\\PsExec.exe"


def encoded(script: str) -> str:
    """PowerShell's -EncodedCommand form: base64 of UTF-16."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


def remote_service(s: Story, origin: Proc, target: str, at: int, user: str, tool: str, command: str) -> Proc:
    """PsExec from `origin` to `target`: process, SMB connection, log-on, 7045, the service process; returns that."""
    host = HOST[target]
    client = sysmon.process(
        s, origin, at, tool, f"{tool.rsplit(chr(92), 1)[-1]} \\\\{target} {command}", integrity="High"
    )
    port = s.port()
    sysmon.network(s, client, at + 150, host.address, 445, port, host.fqdn)
    network.connection(
        s, at + 150, (origin.host.address, port, host.address, 445), sent=410_000, received=9000, service="smb"
    )
    windows.logon(s, host, at + 300, user, 3, source=origin.host.address, elevated=True)
    services = sysmon.resident(host, at, "services.exe")
    windows.service_installed(s, host, at + 700, "PSEXESVC", "%SystemRoot%\\PSEXESVC.exe")
    sysmon.registry_set(
        s,
        services,
        at + 710,
        "HKLM\\System\\CurrentControlSet\\Services\\PSEXESVC\\ImagePath",
        "%SystemRoot%\\PSEXESVC.exe",
    )
    windows.service_state(s, host, at + 800, "PSEXESVC", "running")
    return sysmon.process(s, services, at + 820, "C:\\Windows\\PSEXESVC.exe", "C:\\Windows\\PSEXESVC.exe")


def roll_out(s: Story) -> None:
    """The deployment server installs a new VPN client on 50 machines: encoded PowerShell, msiexec, a new service."""
    script = encoded(
        "$p='\\\\DEPLOY01\\pkg$\\TideVPN-5.2.1.msi';Start-Process msiexec -ArgumentList \"/i $p /qn /norestart\" -Wait"
    )
    command = f"powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {script}"
    installer = "C:\\Windows\\Installer\\{8E1F2C1A-55B0-4E0E-9C0B-2A7D1F6E9B10}\\tidevpn.exe"
    with s.part("roll-out", ROLL_OUT) as rng:
        for position, host in enumerate(rng.sample([host for host in WORKSTATIONS if host.name != "WS-001"], 50)):
            at = t(1, "11:05") + position * 118_000 + rng.randrange(20_000)
            windows.logon(s, host, at, "svc-deploy", 3, source=HOST["DEPLOY01"].address, elevated=True)
            services = sysmon.resident(host, at, "services.exe")
            windows.service_installed(
                s, host, at + 900, "DeployRunner-7", "C:\\Windows\\DeployRunner\\runner-7.exe -service"
            )
            runner = sysmon.process(
                s,
                services,
                at + 1500,
                "C:\\Windows\\DeployRunner\\runner-7.exe",
                "C:\\Windows\\DeployRunner\\runner-7.exe -service",
                build="7.1",
            )
            shell = sysmon.process(s, runner, at + 2600, POWERSHELL, command)
            sysmon.process(
                s,
                shell,
                at + 5200,
                SYS32 + "msiexec.exe",
                '"C:\\Windows\\system32\\msiexec.exe" /i \\\\DEPLOY01\\pkg$\\TideVPN-5.2.1.msi /qn /norestart',
            )
            windows.service_installed(
                s,
                host,
                at + 31_000,
                "TideVPN Service",
                '"C:\\Program Files\\TideVPN\\tidevpnd.exe"',
                start="auto start",
            )
            sysmon.file_created(s, shell, at + 32_000, installer)
            network.connection(
                s,
                at + 5400,
                (host.address, s.port(), HOST["DEPLOY01"].address, 445),
                sent=9000,
                received=41_000_000,
                service="smb",
                seconds=18.0,
            )


_STEPS = (  # what is run on each server, and the service whose state changes
    ("net stop KeepSafeAgent /y", "KeepSafe Backup Agent"),
    ("sc config KeepSafeAgent start= disabled", ""),
    ("net stop MSSQLSERVER /y", "SQL Server (MSSQLSERVER)"),
    ("vssadmin list shadows", ""),
    ("vssadmin delete shadows /for=D: /oldest /quiet", ""),
    ("vssadmin resize shadowstorage /for=D: /on=E: /maxsize=200GB", ""),
    ("wbadmin get versions", ""),
    ("bcdedit /enum", ""),
    ("robocopy D:\\Data E:\\Data /MIR /COPYALL /R:1", ""),
    ("schtasks /create /tn \\Admin\\PostMove /tr C:\\Admin\\postmove.cmd /sc once /st 23:30 /ru SYSTEM", ""),
    ("sc config KeepSafeAgent start= auto", ""),
    ("net start KeepSafeAgent", "KeepSafe Backup Agent"),
)


def _move_storage(s: Story, shell: Proc, target: str, at: int) -> None:
    """One server's turn."""
    host = HOST[target]
    service = remote_service(s, shell, target, at, "adm.jkeller", PSEXEC, "-s -h cmd.exe")
    remote = sysmon.process(s, service, at + 2000, SYS32 + "cmd.exe", "cmd.exe")
    for order, (command, display) in enumerate(_STEPS):
        if "MSSQL" in command and target != "SQL01":
            continue
        moment = at + 60_000 + order * 170_000 + s.rng.randrange(60_000)
        tool = command.split()[0]
        sysmon.process(s, remote, moment, f"{SYS32}{'Robocopy' if tool == 'robocopy' else tool}.exe", command)
        if display:
            state = "running" if " start " in command else "stopped"
            windows.service_state(s, host, moment + 3000, display, state)
        if tool == "schtasks":
            task = ("\\Admin\\PostMove", "C:\\Admin\\postmove.cmd", "")
            windows.task_created(s, host, moment + 200, "adm.jkeller", *task)
    windows.service_state(s, host, at + 2_400_000, "PSEXESVC", "stopped")


def maintenance(s: Story) -> None:
    """Wednesday night: the storage of three servers moves. Services stop, old snapshots go, tasks are made."""
    with s.part("maintenance", MAINTENANCE):
        jump, admin = HOST["JUMP01"], "adm.jkeller"
        windows.logon(s, jump, t(2, "18:58"), admin, 10, source="10.20.1.24", elevated=True)
        explorer = sysmon.resident(jump, t(2, "18:59"), "explorer.exe", admin)
        command = '"C:\\Windows\\system32\\cmd.exe"'
        shell = sysmon.process(s, explorer, t(2, "19:00"), SYS32 + "cmd.exe", command, integrity="High")
        for position, target in enumerate(("FS02", "SQL01", "APP01")):
            _move_storage(s, shell, target, t(2, "19:04") + position * 52 * 60_000)
        _linux_upgrades(s)


def _linux_upgrades(s: Story) -> None:
    """The same night the web servers get their updates; file integrity and rootcheck say so."""
    packages = (
        ("apache2-bin", "2.4.58-1ubuntu8.5"),
        ("openssl", "3.0.13-0ubuntu3.4"),
        ("php8.3-common", "8.3.6-0ubuntu0.24.04.2"),
        ("libcurl4t64", "8.5.0-2ubuntu10.4"),
    )
    for position, host in enumerate(("web01", "web02", "git01", "db01")):
        at = t(2, "21:10") + position * 600_000
        linux.ssh_login(s, at, host, "miriam", "10.20.2.56")
        linux.sudo(s, at + 30_000, host, "miriam", "/home/miriam", "/usr/bin/apt-get -y dist-upgrade")
        web.visit(
            s,
            HOST[host],
            at + 33_000,
            "archive.ubuntu.com" if "web" in host else "deb.debian.org",
            plain="/pool/main/o/openssl/openssl_3.0.13_amd64.deb",
            agent="Debian APT-HTTP/1.3 (2.7.14)",
            mime="application/x-debian-package",
            received=1_003_000,
        )
        for step, (name, version) in enumerate(packages):
            linux.package(s, at + 60_000 + step * 9000, host, name, version)
            for binary in (f"/usr/bin/{name.split('-')[0]}", f"/usr/lib/x86_64-linux-gnu/{name}.so"):
                linux.file_integrity(
                    s,
                    at + 64_000 + step * 9000,
                    host,
                    binary,
                    "root",
                    90_000 + step * 777,
                    added=False,
                    digest=f"{s.rng.getrandbits(256):064x}",
                )
        linux.rootcheck(s, at + 300_000, host, "Trojaned version of file detected.", "/usr/bin/passwd")
        linux.ports_changed(s, at + 320_000, host, "tcp 0.0.0.0:443", "tcp 0.0.0.0:443\ntcp 127.0.0.1:8125")
