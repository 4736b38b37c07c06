"""OCSF in the little that making an event needs: classes, activities, captions, types of attributes, required parts.

Source: the OCSF schema, version `core.event.OCSF_VERSION`. Tests check these tables against the schema itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

CATEGORIES: dict[int, str] = {
    0: "Uncategorized",
    1: "System Activity",
    2: "Findings",
    3: "Identity & Access Management",
    4: "Network Activity",
    5: "Discovery",
    6: "Application Activity",
}
SEVERITIES: dict[int, str] = {
    0: "Unknown",
    1: "Informational",
    2: "Low",
    3: "Medium",
    4: "High",
    5: "Critical",
    6: "Fatal",
    99: "Other",
}
STATUSES: dict[int, str] = {0: "Unknown", 1: "Success", 2: "Failure", 99: "Other"}
UNKNOWN, OTHER = 0, 99
WINDOWS_EXTENSION = 2


class OcsfClass(NamedTuple):
    """An event class: uid, caption, the attributes that it requires, its activities by caption."""

    uid: int
    caption: str
    required: tuple[str, ...]
    activities: dict[str, int]

    @property
    def category_uid(self) -> int:
        return self.uid % 100_000 // 1000


def _class(uid: int, caption: str, required: str = "", activities: str = "", first: int = 1) -> OcsfClass:
    names = [name for name in activities.split(",") if name]
    numbered = {name.strip(): number for number, name in enumerate(names, first)}
    return OcsfClass(uid, caption, tuple(required.split()), {"Unknown": UNKNOWN, **numbered, "Other": OTHER})


_FILE_VERBS = "Upload,Download,Update,Delete,Rename,Copy,Move,Restore,Preview,Lock,Unlock,Share,Unshare,Open"
_CONNECTION = "Open,Close,Reset,Fail,Refuse,Traffic,Listen"
CLASSES: dict[str, OcsfClass] = {
    "base_event": _class(0, "Base Event"),
    "file_activity": _class(
        1001,
        "File System Activity",
        "actor device file",
        "Create,Read,Update,Delete,Rename,Set Attributes,Set Security,Get Attributes,Get Security,Encrypt,Decrypt,"
        "Mount,Unmount,Open",
    ),
    "kernel_extension_activity": _class(1002, "Kernel Extension Activity", "actor device driver", "Load,Unload"),
    "module_activity": _class(1005, "Module Activity", "actor device module", "Load,Unload,Invoke"),
    "scheduled_job_activity": _class(
        1006, "Scheduled Job Activity", "device job actor", "Create,Update,Delete,Enable,Disable,Start"
    ),
    "process_activity": _class(
        1007, "Process Activity", "actor device process", "Launch,Terminate,Open,Inject,Set User ID"
    ),
    "event_log_activity": _class(
        1008,
        "Event Log Activity",
        "actor device",
        "Clear,Delete,Export,Archive,Rotate,Start,Stop,Restart,Enable,Disable",
    ),
    "script_activity": _class(1009, "Script Activity", "actor device script", "Execute"),
    "peripheral_activity": _class(
        1010,
        "Peripheral Activity",
        "actor device peripheral_device",
        "Connect,Disconnect,Enable,Disable,Eject",
    ),
    "registry_key_activity": _class(
        201001,
        "Registry Key Activity",
        "actor device reg_key",
        "Create,Read,Modify,Delete,Rename,Set Security,Restore,Import,Export",
    ),
    "registry_value_activity": _class(
        201002, "Registry Value Activity", "actor device reg_value", "Get,Set,Modify,Delete"
    ),
    "windows_resource_activity": _class(201003, "Windows Resource Activity", "actor device win_resource", "Access"),
    "windows_service_activity": _class(
        201004,
        "Windows Service Activity",
        "actor device win_service",
        "Create,Reconfigure,Start,Stop,Pause,Continue,Delete",
    ),
    "vulnerability_finding": _class(
        2002, "Vulnerability Finding", "finding_info vulnerabilities", "Create,Update,Close"
    ),
    "compliance_finding": _class(2003, "Compliance Finding", "finding_info compliance", "Create,Update,Close"),
    "detection_finding": _class(2004, "Detection Finding", "finding_info", "Create,Update,Close"),
    "data_security_finding": _class(2006, "Data Security Finding", "finding_info", "Create,Update,Close,Suppressed"),
    "account_change": _class(
        3001,
        "Account Change",
        "user",
        "Create,Enable,Password Change,Password Reset,Disable,Delete,Attach Policy,Detach Policy,Lock,"
        "MFA Factor Enable,MFA Factor Disable,Unlock",
    ),
    "authentication": _class(
        3002,
        "Authentication",
        "user service",
        "Logon,Logoff,Authentication Ticket,Service Ticket Request,Service Ticket Renew,Preauth,Account Switch",
    ),
    "authorize_session": _class(
        3003, "Authorize Session", "user privileges", "Assign Privileges,Assign Groups,Assign Roles"
    ),
    "entity_management": _class(
        3004,
        "Entity Management",
        "entity",
        "Create,Read,Update,Delete,Move,Enroll,Unenroll,Enable,Disable,Activate,Deactivate,Suspend,Resume",
    ),
    "user_access": _class(
        3005,
        "User Access Management",
        "user",
        "Assign Privileges,Revoke Privileges,Assign Role,Remove Role",
    ),
    "group_management": _class(
        3006,
        "Group Management",
        "group",
        "Assign Privileges,Revoke Privileges,Add User,Remove User,Delete,Create,Add Subgroup,Remove Subgroup,"
        "Update,Attach Policies,Detach Policies,Assign Roles,Remove Roles",
    ),
    "user_management": _class(
        3007,
        "User Management",
        "user",
        "Create,Update,Delete,Enable,Disable,Lock,Unlock,Password Change,Password Reset,Attach Policies,"
        "Detach Policies,Enable MFA Factors,Disable MFA Factors,Assign Privileges,Remove Privileges,Assign Roles,"
        "Remove Roles,Add Programmatic Credentials,Remove Programmatic Credentials",
    ),
    "network_activity": _class(4001, "Network Activity", "src_endpoint", _CONNECTION),
    "http_activity": _class(
        4002,
        "HTTP Activity",
        "src_endpoint http_request",
        "Connect,Delete,Get,Head,Options,Post,Put,Trace,Patch",
    ),
    "dns_activity": _class(4003, "DNS Activity", "src_endpoint", "Query,Response,-,-,-,Traffic"),
    "dhcp_activity": _class(
        4004,
        "DHCP Activity",
        "src_endpoint",
        "Discover,Offer,Request,Decline,Ack,Nak,Release,Inform,Expire",
    ),
    "rdp_activity": _class(
        4005,
        "RDP Activity",
        "src_endpoint",
        "Initial Request,Initial Response,Connect Request,Connect Response,TLS Handshake,Traffic,Disconnect,Reconnect",
    ),
    "smb_activity": _class(
        4006,
        "SMB Activity",
        "src_endpoint",
        "File Supersede,File Open,File Create,File Open If,File Overwrite,File Overwrite If",
    ),
    "ssh_activity": _class(4007, "SSH Activity", "src_endpoint", _CONNECTION),
    "ftp_activity": _class(4008, "FTP Activity", "src_endpoint", "Put,Get,Poll,Delete,Rename,List"),
    "email_activity": _class(4009, "Email Activity", "direction_id email", "Send,Receive,Scan,Trace,MTA Relay"),
    "network_file_activity": _class(
        4010, "Network File Activity", "actor src_endpoint file", _FILE_VERBS + ",Sync,Unsync"
    ),
    "ntp_activity": _class(
        4013,
        "NTP Activity",
        "src_endpoint version",
        "Symmetric Active Exchange,Symmetric Passive Response,Client Synchronization,Server Response,Broadcast,"
        "Control,Private Use Case",
    ),
    "tunnel_activity": _class(4014, "Tunnel Activity", "", "Open,Close,Renew"),
    "inventory_info": _class(5001, "Device Inventory Info", "device", "Log,Collect"),
    "user_inventory": _class(5003, "User Inventory Info", "user", "Log,Collect"),
    "software_info": _class(5020, "Software Inventory Info", "device", "Log,Collect"),
    "osint_inventory_info": _class(5021, "OSINT Inventory Info", "osint", "Log,Collect"),
    "cloud_resources_inventory_info": _class(5023, "Cloud Resources Inventory Info", "", "Log,Collect"),
    "web_resources_activity": _class(
        6001,
        "Web Resources Activity",
        "web_resources",
        "Create,Read,Update,Delete,Search,Import,Export,Share",
    ),
    "application_lifecycle": _class(
        6002, "Application Lifecycle", "app", "Install,Remove,Start,Stop,Restart,Enable,Disable,Update"
    ),
    "api_activity": _class(6003, "API Activity", "actor api src_endpoint", "Create,Read,Update,Delete"),
    "datastore_activity": _class(
        6005,
        "Datastore Activity",
        "actor src_endpoint",
        "Read,Update,Connect,Query,Write,Create,Delete,List,Encrypt,Decrypt",
    ),
    "file_hosting": _class(
        6006,
        "File Hosting Activity",
        "actor file src_endpoint",
        _FILE_VERBS + ",Sync,Unsync,Access Check",
    ),
}

# Attributes whose value is a whole number, a time, a real number, an address; `*_id` and `is_*` follow by name.
INTEGERS = frozenset(
    [
        "access_mask",
        "attempt",
        "body_length",
        "bytes",
        "bytes_in",
        "bytes_missed",
        "bytes_out",
        "code",
        "confidence_score",
        "count",
        "duration",
        "exit_code",
        "key_length",
        "length",
        "number",
        "packets",
        "packets_in",
        "packets_out",
        "pid",
        "port",
        "protocol_num",
        "raw_data_size",
        "reg_integer_data",
        "requested_permissions",
        "actual_permissions",
        "risk_score",
        "sequence",
        "size",
        "tid",
        "ttl",
        "packet_uid",
        "untruncated_size",
        "auid",
        "euid",
        "egid",
    ]
)
TIMES = frozenset({"time"})
FLOATS = frozenset({"base_score", "lat", "long"})
ADDRESSES = frozenset({"ip"})
MAILBOXES = frozenset({"email_addr", "from", "to", "reply_to", "return_path", "smtp_from", "smtp_to", "cc"})
ANYTHING = frozenset({"data", "unmapped", "request_data"})


class Needs(NamedTuple):
    """What an object has to hold: where none of `any_of` is there, `filler` is added."""

    any_of: tuple[str, ...]
    filler: dict[str, Any]


_WORD = "unknown"
_EVIDENCES = (
    *("actor", "api", "connection_info", "data", "database", "databucket", "device", "dst_endpoint", "email", "file"),
    *("process", "query", "src_endpoint", "url", "user", "job", "script", "reg_key", "reg_value", "win_service"),
)
_UNKNOWN_TYPE = Needs(("type_id",), {"type_id": UNKNOWN})
_USER = Needs(("name", "uid", "account"), {"uid": _WORD})
_PROCESS = Needs(("pid", "uid", "cpid"), {"uid": _WORD})
_NAMED = Needs(("name", "uid"), {"name": _WORD})
# attribute name -> what the object under it needs; `OCSF` states these as `required` and `at_least_one`.
NEEDS: dict[str, tuple[Needs, ...]] = {
    "device": (_UNKNOWN_TYPE, Needs(("hostname", "name", "uid", "ip"), {"instance_uid": _WORD})),
    "src_endpoint": (Needs(("ip", "hostname", "name", "uid", "svc_name"), {"instance_uid": _WORD}),),
    "dst_endpoint": (Needs(("ip", "hostname", "name", "uid", "svc_name"), {"instance_uid": _WORD}),),
    "file": (_UNKNOWN_TYPE, Needs(("name",), {"name": _WORD})),
    "user": (_USER,),
    "process": (_PROCESS,),
    "parent_process": (_PROCESS,),
    "actor": (Needs(("process", "user", "session", "invoked_by", "app_name"), {"app_name": _WORD}),),
    "api": (Needs(("operation",), {"operation": _WORD}),),
    "request": (Needs(("uid",), {"uid": _WORD}),),
    "cloud": (Needs(("provider",), {"provider": _WORD}),),
    "service": (_NAMED,),
    "account": (_NAMED,),
    "group": (_NAMED,),
    "entity": (_NAMED,),
    "connection_info": (Needs(("direction_id",), {"direction_id": UNKNOWN}),),
    "tls": (Needs(("version",), {"version": _WORD}),),
    "query": (Needs(("hostname",), {"hostname": _WORD}),),
    "certificate": (
        Needs(("issuer",), {"issuer": _WORD}),
        Needs(("serial_number",), {"serial_number": _WORD}),
    ),
    "http_response": (Needs(("code",), {"code": 0}),),
    "url": (Needs(("url_string", "path"), {"path": ""}),),
    "script": (_UNKNOWN_TYPE, Needs(("script_content",), {"script_content": {"value": ""}})),
    "module": (Needs(("load_type_id",), {"load_type_id": UNKNOWN}),),
    "driver": (Needs(("file",), {"file": {"name": _WORD, "type_id": UNKNOWN}}),),
    "job": (Needs(("name", "type_id"), {"type_id": UNKNOWN}),),
    "os": (_UNKNOWN_TYPE, Needs(("name",), {"name": _WORD})),
    "analytic": (_UNKNOWN_TYPE, _NAMED),
    "win_service": (
        Needs(("name",), {"name": _WORD}),
        Needs(("service_start_type_id", "cmd_line"), {"service_start_type_id": UNKNOWN}),
    ),
    "reg_value": (Needs(("name",), {"name": _WORD}), Needs(("path",), {"path": _WORD})),
    "reg_key": (Needs(("path",), {"path": _WORD}),),
    "win_resource": (_UNKNOWN_TYPE, _NAMED),
    "email": (Needs(("from", "to"), {"to": []}),),
    "finding_info": (Needs(("uid",), {"uid": _WORD}),),
    "peripheral_device": (Needs(("name",), {"name": _WORD}),),
    "app": (_NAMED, Needs(("version",), {"version": _WORD})),
    "product": (_NAMED,),
    "resources": (_NAMED,),
    "container": (_NAMED,),
    "files": (_UNKNOWN_TYPE, Needs(("name",), {"name": _WORD})),
    "http_headers": (Needs(("name",), {"name": _WORD}), Needs(("value",), {"value": ""})),
    "affected_packages": (Needs(("name",), {"name": _WORD}), Needs(("version",), {"version": _WORD})),
    "query_info": (Needs(("query_string",), {"query_string": _WORD}), _NAMED),
    "answers": (Needs(("rdata",), {"rdata": _WORD}),),
    "osint": (Needs(("type_id",), {"type_id": UNKNOWN}), Needs(("value",), {"value": _WORD})),
    "evidences": (Needs(_EVIDENCES, {"data": {}}),),
    "rpc_interface": (Needs(("uuid",), {"uuid": _WORD}), Needs(("version",), {"version": _WORD})),
}

# attribute path ends -> observable type (name, type_id).
OBSERVABLES: dict[str, tuple[str, int]] = {
    "hostname": ("Hostname", 1),
    "ip": ("IP Address", 2),
    "mac": ("MAC Address", 3),
    "user.name": ("User Name", 4),
    "email_addr": ("Email Address", 5),
    "from": ("Email Address", 5),
    "reply_to": ("Email Address", 5),
    "url_string": ("URL String", 6),
    "file.name": ("File Name", 7),
    "hash": ("Hash", 8),
    "process.name": ("Process Name", 9),
}


def required_filler(attribute: str) -> Any:
    """A valid value for a required attribute that the record does not hold: says "unknown", invents nothing."""
    if attribute.endswith("_id"):
        return UNKNOWN
    if attribute in ("privileges", "vulnerabilities", "osint", "web_resources"):
        return []
    if attribute == "http_request":
        return {"http_method": _WORD.upper()}
    if attribute == "version":
        return _WORD
    value: dict[str, Any] = {}
    for need in NEEDS.get(attribute, ()):
        value.update(need.filler)
    return value
