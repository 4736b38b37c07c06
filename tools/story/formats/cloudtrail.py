# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""AWS CloudTrail records, as the service delivers them to a bucket: `{"Records": [...]}`, one file a few hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.story.company import AWS_PROD, REGION
from tools.story.formats.network import BROWSER
from tools.story.recorder import Record, Story, digest, iso

_LINUX = "ua/2.0 os/linux#6.8.0-45-generic md/arch#x86_64 lang/python#3.11.9 md/pyimpl#CPython"
CLI = f"aws-cli/2.17.44 md/awscrt#0.21.2 {_LINUX} cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#"
CLI_WINDOWS = CLI.replace("linux#6.8.0-45-generic md/arch#x86_64", "windows#11 md/arch#amd64")
BOTO = f"Boto3/1.35.36 md/Botocore#1.35.36 {_LINUX} cfg/retry-mode#legacy Botocore/1.35.36"
TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.7 (+https://www.terraform.io) terraform-provider-aws/5.70.0 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) "
    "aws-sdk-go-v2/1.31.0 ua/2.1 os/linux lang/go#1.23.1 md/GOOS#linux md/GOARCH#amd64"
)
CONSOLE = BROWSER
_READ = ("Get", "List", "Describe", "Head", "Lookup", "BatchGet")
_GLOBAL = ("iam.amazonaws.com",)


@dataclass(frozen=True)
class Caller:
    """Who calls: an IAM user with a key, or a role taken by someone."""

    name: str
    key: str
    session: str = ""
    account: str = AWS_PROD
    mfa: str = "false"

    def identity(self, at: int) -> dict[str, Any]:
        """The `userIdentity` element."""
        if not self.session:
            return {
                "type": "IAMUser",
                "principalId": "AIDA" + digest("user", self.name)[:17],
                "arn": f"arn:aws:iam::{self.account}:user/{self.name}",
                "accountId": self.account,
                "accessKeyId": self.key,
                "userName": self.name,
            }
        principal = "AROA" + digest("role", self.name)[:17]
        role = f"arn:aws:iam::{self.account}:role/{self.name}"
        return {
            "type": "AssumedRole",
            "principalId": f"{principal}:{self.session}",
            "arn": f"arn:aws:sts::{self.account}:assumed-role/{self.name}/{self.session}",
            "accountId": self.account,
            "accessKeyId": self.key,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": principal,
                    "arn": role,
                    "accountId": self.account,
                    "userName": self.name,
                },
                "attributes": {"creationDate": iso(at - at % 3_600_000, 0) + "Z", "mfaAuthenticated": self.mfa},
            },
        }


def _file(at: int, account: str) -> str:
    quarter = at // 21_600_000 * 21_600_000
    stamp = iso(quarter, 0).replace("-", "").replace(":", "")[:13] + "Z"
    suffix = digest("trail", account, stamp)[:16]
    # The delivery of the last quarter of a day was unpacked by whoever fetched it: readers meet both forms.
    packed = "" if stamp.endswith("T1800Z") else ".gz"
    return f"cloud/cloudtrail/{account}_CloudTrail_{REGION}_{stamp}_{suffix}.json{packed}"


def call(
    s: Story,
    at: int,
    who: Caller,
    service: str,
    name: str,
    source: str,
    agent: str,
    *,
    parameters: dict[str, Any] | None = None,
    response: dict[str, Any] | None = None,
    error: str = "",
    message: str = "",
    resources: list[dict[str, str]] | None = None,
) -> None:
    """One API call. `agent` ending in `command#` gets the command, as the CLI does."""
    event_source = f"{service}.amazonaws.com"
    if agent.endswith("command#"):
        kebab = "".join("-" + ch.lower() if ch.isupper() else ch for ch in name).strip("-")
        agent += f"{service}.{kebab}"
    read = name.startswith(_READ)
    record: Record = {
        "eventVersion": "1.10",
        "userIdentity": who.identity(at),
        "eventTime": iso(at, 0) + "Z",
        "eventSource": event_source,
        "eventName": name,
        "awsRegion": "us-east-1" if event_source in _GLOBAL else REGION,
        "sourceIPAddress": source,
        "userAgent": agent,
    }
    if error:
        record["errorCode"] = error
        record["errorMessage"] = (
            message or f"User: {who.identity(at)['arn']} is not authorized to perform: {service}:{name}"
        )
    record |= {
        "requestParameters": parameters,
        "responseElements": None if error else response,
        "requestID": s.uuid(),
        "eventID": s.uuid(),
        "readOnly": read,
    }
    if resources:
        record["resources"] = resources
    record |= {
        "eventType": "AwsApiCall",
        "managementEvent": not name.endswith("Object"),
        "recipientAccountId": who.account,
        "eventCategory": "Data" if name.endswith("Object") else "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": f"{service}.{REGION}.amazonaws.com"
            if event_source not in _GLOBAL
            else "iam.amazonaws.com",
        },
    }
    s.put(_file(at, who.account), at, record)


def console_login(s: Story, at: int, user: str, source: str, *, ok: bool = True, mfa: bool = True) -> None:
    """A sign-in to the AWS console."""
    who = Caller(user, "").identity(at)
    del who["accessKeyId"]
    record: Record = {
        "eventVersion": "1.08",
        "userIdentity": who,
        "eventTime": iso(at, 0) + "Z",
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "awsRegion": REGION,
        "sourceIPAddress": source,
        "userAgent": CONSOLE,
        "requestParameters": None,
        "responseElements": {"ConsoleLogin": "Success" if ok else "Failure"},
        "additionalEventData": {
            "LoginTo": f"https://{REGION}.console.aws.amazon.com/console/home?region={REGION}&state=hashArgs%23",
            "MobileVersion": "No",
            "MFAUsed": "Yes" if mfa else "No",
        },
        "eventID": s.uuid(),
        "readOnly": False,
        "eventType": "AwsConsoleSignIn",
        "managementEvent": True,
        "recipientAccountId": AWS_PROD,
        "eventCategory": "Management",
    }
    if not ok:
        record["errorMessage"] = "Failed authentication"
    s.put(_file(at, AWS_PROD), at, record)
