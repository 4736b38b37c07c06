# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""Sysmon 15 events as winlogbeat 8 writes them."""

from __future__ import annotations

from dataclasses import dataclass

from tools.story.company import NETBIOS, Host
from tools.story.formats import windows
from tools.story.recorder import Story, digest, iso

SYSMON = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}")
SYS32 = "C:\\Windows\\System32\\"
POWERSHELL = SYS32 + "WindowsPowerShell\\v1.0\\powershell.exe"
_MS = ("Microsoft Corporation", "Microsoft® Windows® Operating System", "10.0.22621.3296 (WinBuild.160101.0800)")
_KNOWN = {
    "powershell.exe": ("Windows PowerShell", *_MS, "PowerShell.EXE"),
    "cmd.exe": ("Windows Command Processor", *_MS, "Cmd.Exe"),
    "whoami.exe": ("whoami - displays logged on user information", *_MS, "whoami.exe"),
    "net.exe": ("Net Command", *_MS, "net.exe"),
    "net1.exe": ("Net Command", *_MS, "net1.exe"),
    "nltest.exe": ("Microsoft® Logon Server Test Utility", *_MS, "nltestrk.exe"),
    "rundll32.exe": ("Windows host process (Rundll32)", *_MS, "RUNDLL32.EXE"),
    "regsvr32.exe": ("Microsoft(C) Register Server", *_MS, "REGSVR32.EXE"),
    "msiexec.exe": ("Windows® installer", *_MS, "msiexec.exe"),
    "schtasks.exe": ("Task Scheduler Configuration Tool", *_MS, "schtasks.exe"),
    "sc.exe": ("Service Control Manager Configuration Tool", *_MS, "sc.exe"),
    "vssadmin.exe": ("Command Line Interface for Microsoft® Volume Shadow Copy Service", *_MS, "VSSADMIN.EXE"),
    "wbadmin.exe": ("Command Line Interface for Microsoft® BLB Backup", *_MS, "WBADMIN.EXE"),
    "bcdedit.exe": ("Boot Configuration Data Editor", *_MS, "bcdedit.exe"),
    "wmic.exe": ("WMI Commandline Utility", *_MS, "wmic.exe"),
    "wevtutil.exe": ("Eventing Command Line Utility", *_MS, "wevtutil.exe"),
    "wmiprvse.exe": ("WMI Provider Host", *_MS, "Wmiprvse.exe"),
    "svchost.exe": ("Host Process for Windows Services", *_MS, "svchost.exe"),
    "services.exe": ("Services and Controller app", *_MS, "services.exe"),
    "explorer.exe": ("Windows Explorer", *_MS, "EXPLORER.EXE"),
    "lsass.exe": ("Local Security Authority Process", *_MS, "lsass.exe"),
    "mmc.exe": ("Microsoft Management Console", *_MS, "mmc.exe"),
    "ipconfig.exe": ("IP Configuration Utility", *_MS, "ipconfig.exe"),
    "systeminfo.exe": ("Displays system information", *_MS, "sysinfo.exe"),
    "tasklist.exe": ("Lists the current running tasks", *_MS, "tasklist.exe"),
    "mstsc.exe": ("Remote Desktop Connection", *_MS, "mstsc.exe"),
    "certutil.exe": ("CertUtil.exe", *_MS, "CertUtil.exe"),
    "mpcmdrun.exe": ("Microsoft Malware Protection Command Line Utility", *_MS, "MpCmdRun.exe"),
    "outlook.exe": (
        "Microsoft Outlook",
        "Microsoft Corporation",
        "Microsoft Office",
        "16.0.17932.20162",
        "Outlook.exe",
    ),
    "winword.exe": ("Microsoft Word", "Microsoft Corporation", "Microsoft Office", "16.0.17932.20162", "WinWord.exe"),
    "excel.exe": ("Microsoft Excel", "Microsoft Corporation", "Microsoft Office", "16.0.17932.20162", "Excel.exe"),
    "ms-teams.exe": (
        "Microsoft Teams",
        "Microsoft Corporation",
        "Microsoft Teams",
        "24257.205.3165.2029",
        "ms-teams.exe",
    ),
    "msedge.exe": ("Microsoft Edge", "Microsoft Corporation", "Microsoft Edge", "129.0.2792.89", "msedge.exe"),
    "psexec.exe": (
        "Execute processes remotely",
        "Sysinternals - www.sysinternals.com",
        "Sysinternals PsExec",
        "2.43",
        "psexec.c",
    ),
    "psexesvc.exe": ("PsExec Service", "Sysinternals", "Sysinternals PsExec", "2.43", "psexesvc.exe"),
    "procdump64.exe": (
        "Sysinternals process dump utility",
        "Sysinternals - www.sysinternals.com",
        "ProcDump",
        "11.0",
        "procdump",
    ),
    "code.exe": ("Visual Studio Code", "Microsoft Corporation", "Visual Studio Code", "1.94.2", "electron.exe"),
    "git.exe": ("Git for Windows", "The Git Development Community", "Git", "2.46.2.1", "git.exe"),
    "python.exe": ("Python", "Python Software Foundation", "Python", "3.12.7", "python.exe"),
    "acrord32.exe": (
        "Adobe Acrobat Reader",
        "Adobe Systems Incorporated",
        "Adobe Acrobat Reader",
        "24.3.20180.0",
        "AcroRd32.exe",
    ),
}


@dataclass(frozen=True)
class Proc:
    """A process that later events refer to."""

    host: Host
    user: str
    image: str
    command: str
    pid: int
    guid: str
    started: int


def account(user: str) -> str:
    """DOMAIN\\name as Sysmon writes it."""
    return "NT AUTHORITY\\SYSTEM" if user == "SYSTEM" else f"{NETBIOS}\\{user}"


def hashes(image: str, build: str = "") -> str:
    """The `Hashes` field. The same file name from the same vendor has the same hashes everywhere."""
    base = image.rsplit("\\", 1)[-1].lower()
    key = base if base in _KNOWN else image.lower() + build
    sha = digest("image", key, _KNOWN[base][3] if base in _KNOWN else build)
    return f"MD5={digest('md5', sha)[:32]},SHA256={sha},IMPHASH={digest('imp', sha)[:32]}"


def spawn(host: Host, at: int, user: str, image: str, command: str) -> Proc:
    """A process nobody recorded the start of (it was there before)."""
    seconds = at // 1000
    order = int(digest(host.name, image, str(at))[:4], 16)
    machine = digest("machine", host.name)[:8].lower()
    guid = f"{{{machine}-{seconds & 0xFFFF:04x}-{seconds >> 16:04x}-{order:04x}-000000000a00}}"
    return Proc(host, user, image, command, 1200 + order % 14_000 // 4 * 4, guid, at)


def resident(host: Host, at: int, name: str, user: str = "SYSTEM") -> Proc:
    """A process that runs all day, such as explorer.exe or services.exe: the same for all events of the host."""
    start = at - at % 86_400_000 + 5 * 3_600_000 if user != "SYSTEM" else at - at % 86_400_000
    path = "C:\\Windows\\explorer.exe" if name == "explorer.exe" else SYS32 + name
    command = path + (" -k netsvcs -p" if name == "svchost.exe" else "")
    return spawn(host, start, user, path, command)


def wmi_host(host: Host, at: int) -> Proc:
    """The process that starts what somebody asks for by WMI."""
    image = SYS32 + "wbem\\WmiPrvSE.exe"
    return spawn(host, at, "SYSTEM", image, SYS32 + "wbem\\wmiprvse.exe -secured -Embedding")


def process(
    s: Story,
    parent: Proc,
    at: int,
    image: str,
    command: str,
    *,
    user: str = "",
    integrity: str = "",
    directory: str = "",
    build: str = "",
) -> Proc:
    """Event 1, and 4688 where the host audits it. The user is the parent's unless said."""
    host, user = parent.host, user or parent.user
    child = spawn(host, at, user, image, command)
    base = image.rsplit("\\", 1)[-1]
    description, company, product, file_version, original = _KNOWN.get(base.lower(), ("-", "-", "-", "-", "-"))
    level = integrity or ("System" if user == "SYSTEM" else "Medium")
    session = "0x3e7" if user == "SYSTEM" else windows.logon_id(host, user, at)
    machine = parent.guid[1:9]
    data = {
        "RuleName": "-",
        "UtcTime": _utc(at),
        "ProcessGuid": child.guid,
        "ProcessId": str(child.pid),
        "Image": image,
        "FileVersion": file_version,
        "Description": description,
        "Product": product,
        "Company": company,
        "OriginalFileName": original,
        "CommandLine": command,
        "CurrentDirectory": directory or (SYS32 if user == "SYSTEM" else f"C:\\Users\\{user}\\"),
        "User": account(user),
        "LogonGuid": f"{{{machine}-{session[2:].zfill(6)[:4]}-6f0c-{session[-2:]}00-{session[2:].zfill(12)}}}",
        "LogonId": session,
        "TerminalSessionId": "0" if level == "System" or host.role != "workstation" else "1",
        "IntegrityLevel": level,
        "Hashes": hashes(image, build),
        "ParentProcessGuid": parent.guid,
        "ParentProcessId": str(parent.pid),
        "ParentImage": parent.image,
        "ParentCommandLine": parent.command,
        "ParentUser": account(parent.user),
    }
    _emit(s, host, at, 1, "Process Create (rule: ProcessCreate)", data, 5)
    if host.role != "workstation":
        elevated = level in ("High", "System")
        windows.process_created(s, host, at + 1, user, child.pid, image, command, parent.image, parent.pid, elevated)
    return child


def _utc(at: int) -> str:
    return iso(at).replace("T", " ")


def _emit(s: Story, host: Host, at: int, code: int, task: str, data: dict[str, str], version: int) -> None:
    windows.emit(s, host, at, SYSMON, code, task, data, version=version, system_user=True)


def _of(proc: Proc) -> dict[str, str]:
    return {"ProcessGuid": proc.guid, "ProcessId": str(proc.pid), "Image": proc.image}


def network(s: Story, proc: Proc, at: int, address: str, port: int, source_port: int, name: str = "-") -> None:
    """Event 3, a connection that the process opened."""
    data = {
        "RuleName": "-",
        "UtcTime": _utc(at),
        **_of(proc),
        "User": account(proc.user),
        "Protocol": "tcp",
        "Initiated": "true",
        "SourceIsIpv6": "false",
        "SourceIp": proc.host.address,
        "SourceHostname": proc.host.fqdn,
        "SourcePort": str(source_port),
        "SourcePortName": "-",
        "DestinationIsIpv6": "false",
        "DestinationIp": address,
        "DestinationHostname": name,
        "DestinationPort": str(port),
        "DestinationPortName": {443: "https", 80: "http", 445: "microsoft-ds"}.get(port, "-"),
    }
    _emit(s, proc.host, at, 3, "Network connection detected (rule: NetworkConnect)", data, 5)


def file_created(s: Story, proc: Proc, at: int, path: str) -> None:
    """Event 11."""
    data = {
        "RuleName": "-",
        "UtcTime": _utc(at),
        **_of(proc),
        "TargetFilename": path,
        "CreationUtcTime": _utc(at),
        "User": account(proc.user),
    }
    _emit(s, proc.host, at, 11, "File created (rule: FileCreate)", data, 2)


def registry_set(s: Story, proc: Proc, at: int, key: str, details: str) -> None:
    """Event 13."""
    data = {
        "RuleName": "-",
        "EventType": "SetValue",
        "UtcTime": _utc(at),
        **_of(proc),
        "TargetObject": key,
        "Details": details,
        "User": account(proc.user),
    }
    _emit(s, proc.host, at, 13, "Registry value set (rule: RegistryEvent)", data, 2)


def dns_query(s: Story, proc: Proc, at: int, name: str, address: str) -> None:
    """Event 22."""
    data = {
        "RuleName": "-",
        "UtcTime": _utc(at),
        "ProcessGuid": proc.guid,
        "ProcessId": str(proc.pid),
        "QueryName": name,
        "QueryStatus": "0" if address else "9003",
        "QueryResults": f"::ffff:{address};" if address else "-",
        "Image": proc.image,
        "User": account(proc.user),
    }
    _emit(s, proc.host, at, 22, "Dns query (rule: DnsQuery)", data, 5)


def process_access(s: Story, proc: Proc, at: int, target: str, access: str, trace: str = "") -> None:
    """Event 10, one process opening another."""
    other = resident(proc.host, at, target)
    calls = (
        "|".join(f"{SYS32}{part}" for part in ("ntdll.dll+9d4e4", "KERNELBASE.dll+2c0de"))
        + "|"
        + (trace or f"{proc.image}+1b2a")
    )
    data = {
        "RuleName": "-",
        "UtcTime": _utc(at),
        "SourceProcessGUID": proc.guid,
        "SourceProcessId": str(proc.pid),
        "SourceThreadId": str(4000 + at % 991),
        "SourceImage": proc.image,
        "TargetProcessGUID": other.guid,
        "TargetProcessId": str(other.pid),
        "TargetImage": other.image,
        "GrantedAccess": access,
        "CallTrace": calls,
        "SourceUser": account(proc.user),
        "TargetUser": "NT AUTHORITY\\SYSTEM",
    }
    _emit(s, proc.host, at, 10, "Process accessed (rule: ProcessAccess)", data, 3)
