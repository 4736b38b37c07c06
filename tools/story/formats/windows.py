# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""Windows Security and System events as winlogbeat 8 writes them (JSON lines, `message` dropped by its processor)."""

from __future__ import annotations

from typing import Any

from tools.story.company import AD_DOMAIN, NETBIOS, Host, sid_of
from tools.story.recorder import Story, day_of, digest, guid, iso

SECURITY = ("Security", "Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-a5ba-3e3b0328c30d}")
SYSTEM = ("System", "Service Control Manager", "{555908d1-a6d7-4695-8e1e-26931d2012f4}")
EVENTLOG = ("Security", "Microsoft-Windows-Eventlog", "{fc65ddd8-d6ef-4962-83d5-6e5cfe9ce148}")
_SYSTEM_USER = {"domain": "NT AUTHORITY", "identifier": "S-1-5-18", "name": "SYSTEM", "type": "User"}
_FOLDER = {
    "workstation": "endpoint/winlogbeat-workstations",
    "server": "endpoint/winlogbeat-servers",
    "dc": "identity/winlogbeat-domain-controllers",
}


def _agent(host: Host) -> dict[str, str]:
    seed = digest("agent", host.name)
    return {
        "ephemeral_id": guid(seed[8:40]),
        "id": guid(seed[32:64]),
        "name": host.name,
        "type": "winlogbeat",
        "version": "8.15.3",
    }


def emit(
    s: Story,
    host: Host,
    at: int,
    source: tuple[str, str, str],
    code: int,
    task: str,
    data: dict[str, str],
    *,
    version: int = 0,
    outcome: str = "",
    system_user: bool = False,
    user_data: bool = False,
) -> None:
    """One Windows event of a host into the file of its kind of host and day."""
    channel, provider, provider_guid = source
    event = {"action": task, "code": str(code), "created": iso(at + 1400) + "Z", "kind": "event"}
    winlog: dict[str, Any] = {
        "api": "wineventlog",
        "channel": channel,
        "computer_name": host.fqdn,
        "event_id": str(code),
        "opcode": "Info",
        "process": {"pid": 700 + host.number % 90, "thread": {"id": 4000 + at // 977 % 900}},
        "provider_guid": provider_guid,
        "provider_name": provider,
        "record_id": 0,
        "task": task,
        "user_data" if user_data else "event_data": data,
    }
    if outcome:
        event["outcome"] = outcome
        winlog["keywords"] = [f"Audit {outcome.capitalize()}"]
    elif source is SYSTEM:
        winlog["keywords"] = ["Classic"]
    if system_user:
        winlog["user"] = _SYSTEM_USER
    if version:
        winlog["version"] = version
    record = {
        "@timestamp": iso(at) + "Z",
        "@metadata": {"beat": "winlogbeat", "type": "_doc", "version": "8.15.3"},
        "agent": _agent(host),
        "ecs": {"version": "8.0.0"},
        "event": {**event, "provider": provider},
        "host": {"name": host.fqdn},
        "log": {"level": "information"},
        "winlog": winlog,
    }
    s.put(f"{_FOLDER[host.role]}-{day_of(at)}.jsonl.gz", at, record)


def _who(prefix: str, user: str, logon_id: str = "") -> dict[str, str]:
    system = user.upper() == "SYSTEM"
    found = {
        f"{prefix}UserSid": sid_of(user),
        f"{prefix}UserName": user,
        f"{prefix}DomainName": "NT AUTHORITY" if system else NETBIOS,
    }
    if logon_id:
        found[f"{prefix}LogonId"] = logon_id
    return found


def logon_id(host: Host, user: str, at: int) -> str:
    """The session id that a user has on a host on a day."""
    return "0x" + digest(host.name, user, day_of(at))[:6].lower()


def logon(
    s: Story,
    host: Host,
    at: int,
    user: str,
    kind: int,
    *,
    source: str = "-",
    workstation: str = "-",
    package: str = "Kerberos",
    elevated: bool = False,
) -> None:
    """4624, and 4672 where the session has special privileges. `kind` is the Windows logon type."""
    interactive = kind in (2, 7, 10, 11)
    session = logon_id(host, user, at) if interactive else "0x" + s.token(7, "0123456789abcdef")
    subject = (
        _who("Subject", host.name + "$", "0x3e7")
        if interactive
        else {"SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "SubjectDomainName": "-", "SubjectLogonId": "0x0"}
    )
    data = {
        **subject,
        **_who("Target", user, session),
        "LogonType": str(kind),
        "LogonProcessName": "User32" if interactive else ("NtLmSsp" if package == "NTLM" else "Kerberos"),
        "AuthenticationPackageName": "Negotiate" if interactive else package,
        "WorkstationName": host.name if interactive else workstation,
        "LogonGuid": "{" + s.uuid() + "}" if package == "Kerberos" else "{00000000-0000-0000-0000-000000000000}",
        "TransmittedServices": "-",
        "LmPackageName": "NTLM V2" if package == "NTLM" else "-",
        "KeyLength": "128" if package == "NTLM" else "0",
        "ProcessId": "0x5a4" if interactive else "0x0",
        "ProcessName": "C:\\Windows\\System32\\svchost.exe" if interactive else "-",
        "IpAddress": "127.0.0.1" if kind in (2, 7, 11) else source,
        "IpPort": "0" if interactive else str(s.port()),
        "ImpersonationLevel": "%%1833",
        "RestrictedAdminMode": "-",
        "TargetOutboundUserName": "-",
        "TargetOutboundDomainName": "-",
        "VirtualAccount": "%%1843",
        "TargetLinkedLogonId": "0x0",
        "ElevatedToken": "%%1842" if elevated else "%%1843",
    }
    emit(s, host, at, SECURITY, 4624, "Logon", data, version=2, outcome="success")
    if elevated:
        rights = "SeSecurityPrivilege\n\t\t\tSeBackupPrivilege\n\t\t\tSeRestorePrivilege\n\t\t\tSeDebugPrivilege"
        special = {**_who("Subject", user, session), "PrivilegeList": rights}
        emit(s, host, at + 2, SECURITY, 4672, "Special Logon", special, outcome="success")


def logon_failed(
    s: Story,
    host: Host,
    at: int,
    user: str,
    kind: int = 3,
    *,
    source: str = "-",
    workstation: str = "-",
    sub_status: str = "0xc000006a",
) -> None:
    """4625. Sub status 0xc000006a wrong password, 0xc0000064 no such user, 0xc0000071 expired, 0xc0000234 locked."""
    reason = {"0xc000006a": "%%2313", "0xc0000064": "%%2313", "0xc0000071": "%%2309", "0xc0000234": "%%2307"}
    status = sub_status if sub_status in ("0xc0000234", "0xc0000071") else "0xc000006d"
    data = {
        "SubjectUserSid": "S-1-0-0",
        "SubjectUserName": "-",
        "SubjectDomainName": "-",
        "SubjectLogonId": "0x0",
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": user,
        "TargetDomainName": NETBIOS,
        "Status": status,
        "FailureReason": reason[sub_status],
        "SubStatus": sub_status,
        "LogonType": str(kind),
        "LogonProcessName": "User32 " if kind in (2, 7) else "NtLmSsp ",
        "AuthenticationPackageName": "Negotiate" if kind in (2, 7) else "NTLM",
        "WorkstationName": host.name if kind in (2, 7) else workstation,
        "TransmittedServices": "-",
        "LmPackageName": "-",
        "KeyLength": "0",
        "ProcessId": "0x5a4" if kind in (2, 7) else "0x0",
        "ProcessName": "C:\\Windows\\System32\\svchost.exe" if kind in (2, 7) else "-",
        "IpAddress": "127.0.0.1" if kind in (2, 7) else source,
        "IpPort": "0" if kind in (2, 7) else str(s.port()),
    }
    emit(s, host, at, SECURITY, 4625, "Logon", data, outcome="failure")


def locked_out(s: Story, dc: Host, at: int, user: str, caller: str) -> None:
    """4740 on a domain controller; `caller` is the machine the wrong passwords came from."""
    data = {
        "TargetUserName": user,
        "TargetDomainName": caller,
        "TargetSid": sid_of(user),
        **_who("Subject", dc.name + "$", "0x3e7"),
    }
    emit(s, dc, at, SECURITY, 4740, "User Account Management", data, outcome="success")


def account_created(s: Story, dc: Host, at: int, by: str, new: str, display: str) -> None:
    """4720."""
    data = {
        "TargetUserName": new,
        "TargetDomainName": NETBIOS,
        "TargetSid": sid_of(new),
        **_who("Subject", by, logon_id(dc, by, at)),
        "PrivilegeList": "-",
        "SamAccountName": new,
        "DisplayName": display,
        "UserPrincipalName": f"{new}@{AD_DOMAIN}",
        "HomeDirectory": "-",
        "HomePath": "-",
        "ScriptPath": "-",
        "ProfilePath": "-",
        "UserWorkstations": "-",
        "PasswordLastSet": "%%1794",
        "AccountExpires": "%%1794",
        "PrimaryGroupId": "513",
        "AllowedToDelegateTo": "-",
        "OldUacValue": "0x0",
        "NewUacValue": "0x15",
        "UserAccountControl": "\n\t\t%%2080\n\t\t%%2082\n\t\t%%2084",
        "UserParameters": "-",
        "SidHistory": "-",
        "LogonHours": "%%1793",
    }
    emit(s, dc, at, SECURITY, 4720, "User Account Management", data, outcome="success")


def group_added(s: Story, host: Host, at: int, by: str, member: str, group: str, rid: int = 512) -> None:
    """4728 (a global group), or 4732 for the local Administrators."""
    local = group == "Administrators"
    data = {
        "MemberName": f"CN={member},OU=Staff,DC=corp,DC=marlund,DC=example",
        "MemberSid": sid_of(member),
        "TargetUserName": group,
        "TargetDomainName": "Builtin" if local else NETBIOS,
        "TargetSid": "S-1-5-32-544" if local else f"{sid_of('x').rsplit('-', 1)[0]}-{rid}",
        **_who("Subject", by, logon_id(host, by, at)),
        "PrivilegeList": "-",
    }
    code = 4732 if local else 4728
    emit(s, host, at, SECURITY, code, "Security Group Management", data, outcome="success")


def process_created(
    s: Story,
    host: Host,
    at: int,
    user: str,
    pid: int,
    image: str,
    command: str,
    parent: str,
    parent_pid: int,
    elevated: bool,
) -> None:
    """4688 with the command line (servers and domain controllers audit it)."""
    data = {
        **_who("Subject", user, "0x3e7" if user == "SYSTEM" else logon_id(host, user, at)),
        "NewProcessId": hex(pid),
        "NewProcessName": image,
        "TokenElevationType": "%%1936" if elevated else "%%1938",
        "ProcessId": hex(parent_pid),
        "CommandLine": command,
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": "-",
        "TargetDomainName": "-",
        "TargetLogonId": "0x0",
        "ParentProcessName": parent,
        "MandatoryLabel": "S-1-16-16384" if user == "SYSTEM" else ("S-1-16-12288" if elevated else "S-1-16-8192"),
    }
    emit(s, host, at, SECURITY, 4688, "Process Creation", data, version=2, outcome="success")


def service_ticket(s: Story, dc: Host, at: int, user: str, service: str, source: str, encryption: str = "0x12") -> None:
    """4769; encryption 0x12 is AES-256, 0x17 RC4."""
    data = {
        "TargetUserName": f"{user}@{AD_DOMAIN.upper()}",
        "TargetDomainName": AD_DOMAIN.upper(),
        "ServiceName": service,
        "ServiceSid": sid_of(service),
        "TicketOptions": "0x40810000",
        "TicketEncryptionType": encryption,
        "IpAddress": f"::ffff:{source}",
        "IpPort": str(s.port()),
        "Status": "0x0",
        "LogonGuid": "{" + s.uuid() + "}",
        "TransmittedServices": "-",
    }
    emit(s, dc, at, SECURITY, 4769, "Kerberos Service Ticket Operations", data, outcome="success")


def service_installed(
    s: Story, host: Host, at: int, name: str, image: str, *, start: str = "demand start", account: str = "LocalSystem"
) -> None:
    """7045."""
    data = {
        "ServiceName": name,
        "ImagePath": image,
        "ServiceType": "user mode service",
        "StartType": start,
        "AccountName": account,
    }
    emit(s, host, at, SYSTEM, 7045, "None", data, system_user=True)


def service_state(s: Story, host: Host, at: int, display: str, state: str) -> None:
    """7036: a service has entered the running or stopped state."""
    emit(s, host, at, SYSTEM, 7036, "None", {"param1": display, "param2": state})


def task_created(s: Story, host: Host, at: int, user: str, name: str, command: str, arguments: str) -> None:
    """4698 with the task's XML."""
    content = (
        '<?xml version="1.0" encoding="UTF-16"?>\r\n<Task version="1.2" '
        'xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">\r\n  <Triggers><CalendarTrigger>'
        f"<StartBoundary>{iso(at, 0)}</StartBoundary><ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"
        '</CalendarTrigger></Triggers>\r\n  <Principals><Principal id="Author"><UserId>S-1-5-18</UserId>'
        '<RunLevel>HighestAvailable</RunLevel></Principal></Principals>\r\n  <Actions Context="Author"><Exec>'
        f"<Command>{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions>\r\n</Task>"
    )
    data = {
        **_who("Subject", user, logon_id(host, user, at)),
        "TaskName": name,
        "TaskContent": content,
        "ClientProcessStartKey": str(10_000 + at % 99_991),
        "ClientProcessId": str(1000 + at % 7919),
        "ParentProcessId": str(800 + at % 1009),
        "RpcCallClientLocality": "0",
        "FQDN": host.fqdn,
    }
    emit(s, host, at, SECURITY, 4698, "Other Object Access Events", data, version=1, outcome="success")


def log_cleared(s: Story, host: Host, at: int, user: str) -> None:
    """1102."""
    data = {**_who("Subject", user, logon_id(host, user, at)), "xml_name": "LogFileCleared"}
    emit(s, host, at, EVENTLOG, 1102, "Log clear", data, user_data=True)
