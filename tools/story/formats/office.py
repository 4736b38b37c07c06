# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""Office 365 unified audit records, as the Management Activity API returns them, one JSON object a line."""

from __future__ import annotations

from typing import Any

from tools.story.company import TENANT, TENANT_DOMAIN, Person
from tools.story.formats.network import BROWSER
from tools.story.recorder import Story, day_of, digest, guid, iso

SERVER = "AM9PR05MB7713 (15.20.8048.020)"
EDGE = f"{BROWSER} Edg/129.0.0.0"
SITE = "https://marlundexample.sharepoint.com/"


def _put(s: Story, at: int, user: str, workload: str, record_type: int, operation: str, fields: dict[str, Any]) -> None:
    record = {
        "CreationTime": iso(at, 0),
        "Id": s.uuid(),
        "Operation": operation,
        "OrganizationId": TENANT,
        "RecordType": record_type,
        "ResultStatus": fields.pop("ResultStatus", "Succeeded"),
        "UserKey": "1003" + digest("puid", user)[:12],
        "UserType": 0,
        "Version": 1,
        "Workload": workload,
        "UserId": user,
        **fields,
    }
    s.put(f"cloud/office365-audit-{day_of(at)}.jsonl.gz", at, record)


def _mailbox(person: Person) -> dict[str, Any]:
    return {
        "ExternalAccess": False,
        "LogonType": 0,
        "LogonUserSid": person.sid,
        "MailboxGuid": guid(digest("mailbox", person.sam)),
        "MailboxOwnerSid": person.sid,
        "MailboxOwnerUPN": person.upn,
        "OrganizationName": TENANT_DOMAIN,
        "OriginatingServer": SERVER,
    }


def message_id(s: Story) -> str:
    return f"<{s.token(24, '0123456789ABCDEF')}@AM9PR05MB7713.eurprd05.prod.outlook.com>"


def mail_accessed(s: Story, at: int, person: Person, address: str, count: int, client: str, app: str = "") -> None:
    """MailItemsAccessed with `count` messages of the inbox, access type Bind."""
    fields = {
        **_mailbox(person),
        "ClientIPAddress": address,
        "ClientInfoString": client,
        "ClientAppId": app,
        "AppId": app,
        "InternalLogonType": 0,
        "OperationCount": count,
        "OperationProperties": [{"Name": "MailAccessType", "Value": "Bind"}, {"Name": "IsThrottled", "Value": "False"}],
        "Folders": [
            {
                "FolderItems": [
                    {"InternetMessageId": message_id(s), "SizeInBytes": s.rng.randint(20_000, 400_000)}
                    for _ in range(count)
                ],
                "Id": "LgAAAAD" + digest("folder", person.sam)[:24],
                "Path": "\\Inbox",
            }
        ],
    }
    _put(s, at, person.upn, "Exchange", 50, "MailItemsAccessed", fields)


def mail_item(s: Story, at: int, person: Person, address: str, operation: str, subject: str, **more: Any) -> None:
    """Send, MoveToDeletedItems, HardDelete and their like."""
    item = {
        "Id": "RgAAAAD" + s.token(24),
        "InternetMessageId": message_id(s),
        "Subject": subject,
        "ParentFolder": {
            "Id": "LgAAAAD" + digest("folder", person.sam)[:24],
            "Path": "\\Drafts" if operation == "Send" else "\\Inbox",
        },
        "SizeInBytes": s.rng.randint(4_000, 90_000),
    }
    client = more.pop("client", "Client=OWA;Action=ViaProxy")
    if "attachments" in more:
        item["Attachments"] = more.pop("attachments")
    body: dict[str, Any] = {**_mailbox(person), "ClientIPAddress": address, "ClientInfoString": client, **more}
    if operation == "Send":
        body["Item"] = item
    else:
        body |= {"AffectedItems": [item], "Folder": item["ParentFolder"], "CrossMailboxOperation": False}
    _put(s, at, person.upn, "Exchange", 2 if operation == "Send" else 3, operation, body)


def inbox_rule(
    s: Story, at: int, person: Person, address: str, name: str, operation: str = "New-InboxRule", **settings: str
) -> None:
    """New-InboxRule or Set-InboxRule with its parameters."""
    folder = f"Microsoft Exchange Hosted Organizations\\{TENANT_DOMAIN}"
    fields = {
        "ResultStatus": "True",
        "ObjectId": f"EURPR05A001\\{folder}\\{digest('mailbox', person.sam).lower()[:8]}\\{name}",
        "ClientIP": f"{address}:{s.port()}",
        "ExternalAccess": False,
        "OrganizationName": TENANT_DOMAIN,
        "OriginatingServer": SERVER,
        "AppId": "",
        "ClientAppId": "",
        "SessionId": s.uuid(),
        "Parameters": [
            {"Name": key, "Value": value}
            for key, value in {
                "AlwaysDeleteOutlookRulesBlob": "False",
                "Force": "False",
                "Name": name,
                **settings,
            }.items()
        ],
    }
    _put(s, at, person.upn, "Exchange", 1, operation, fields)


def file_operation(
    s: Story,
    at: int,
    person_upn: str,
    address: str,
    operation: str,
    site: str,
    path: str,
    *,
    agent: str = EDGE,
    managed: bool = True,
) -> None:
    """FileDownloaded, FileAccessed, FileSyncDownloadedFull, FileUploaded, SharingSet and their like."""
    folder, _, name = path.rpartition("/")
    fields = {
        "UserKey": f"i:0h.f|membership|1003{digest('puid', person_upn)[:12].lower()}@live.com",
        "ClientIP": address,
        "ObjectId": f"{SITE}{site}/{path}",
        "UserAgent": agent,
        "CorrelationId": s.uuid(),
        "EventSource": "SharePoint",
        "IsManagedDevice": managed,
        "ItemType": "File",
        "ListId": digest("list", site)[:32].lower(),
        "ListItemUniqueId": digest("item", site, path)[:32].lower(),
        "Site": digest("site", site)[:32].lower(),
        "WebId": digest("web", site)[:32].lower(),
        "SiteUrl": f"{SITE}{site}/",
        "SourceRelativeUrl": folder,
        "SourceFileName": name,
        "SourceFileExtension": name.rpartition(".")[2],
        "HighPriorityMediaProcessing": False,
    }
    workload = "OneDrive" if site.startswith("personal/") else "SharePoint"
    _put(s, at, person_upn, workload, 6, operation, fields)


def logged_in(s: Story, at: int, person: Person, address: str, *, ok: bool = True, agent: str = EDGE) -> None:
    """UserLoggedIn or UserLoginFailed of the unified audit log."""
    fields = {
        "ResultStatus": "Success" if ok else "Failed",
        "ObjectId": "00000002-0000-0ff1-ce00-000000000000",
        "ClientIP": address,
        "ActorIpAddress": address,
        "ApplicationId": "00000002-0000-0ff1-ce00-000000000000",
        "AzureActiveDirectoryEventType": 1,
        "InterSystemsId": s.uuid(),
        "IntraSystemId": s.uuid(),
        "ExtendedProperties": [
            {"Name": "ResultStatusDetail", "Value": "Success" if ok else "UserError"},
            {"Name": "UserAgent", "Value": agent},
            {"Name": "RequestType", "Value": "OAuth2:Authorize"},
        ],
        "ModifiedProperties": [],
        "Actor": [{"ID": person.upn, "Type": 5}],
        "ActorContextId": TENANT,
        "Target": [{"ID": "00000002-0000-0ff1-ce00-000000000000", "Type": 0}],
        "TargetContextId": TENANT,
        "DeviceProperties": [{"Name": "OS", "Value": "Windows10"}, {"Name": "BrowserType", "Value": "Edge"}],
        "ErrorNumber": "0" if ok else "50126",
    }
    if not ok:
        fields["LogonError"] = "InvalidUserNameOrPassword"
    _put(s, at, person.upn, "AzureActiveDirectory", 15, "UserLoggedIn" if ok else "UserLoginFailed", fields)


def set_mailbox(s: Story, at: int, admin: str, target: str, address: str, **settings: str) -> None:
    """Set-Mailbox by an administrator."""
    fields = {
        "ResultStatus": "True",
        "ObjectId": target,
        "ClientIP": f"{address}:{s.port()}",
        "ExternalAccess": False,
        "OrganizationName": TENANT_DOMAIN,
        "OriginatingServer": SERVER,
        "AppId": "fb78d390-0c51-40cd-8e17-fdbfab77341b",
        "ClientAppId": "",
        "SessionId": s.uuid(),
        "Parameters": [{"Name": key, "Value": value} for key, value in {"Identity": target, **settings}.items()],
    }
    _put(s, at, admin, "Exchange", 1, "Set-Mailbox", fields)
