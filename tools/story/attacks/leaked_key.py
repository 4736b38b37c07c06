"""Chain 3: a forgotten pipeline key makes itself an administrator, reads secrets, shares a disk, stops the trail."""

from __future__ import annotations

from typing import Any

from tools.story.benign.aws import LEGACY
from tools.story.company import AWS_PROD, REGION
from tools.story.formats import cloudtrail
from tools.story.formats.cloudtrail import CLI, Caller
from tools.story.recorder import Story, digest, iso, t

INCIDENT = "attack-leaked-cloud-key"
ADDRESS = "198.51.100.93"
NEW = Caller("svc-monitoring-agent", "AKIA" + digest("key", "monitoring")[:16])
_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_TRAIL = f"arn:aws:cloudtrail:{REGION}:{AWS_PROD}:trail/marlund-main"
_SHARE = {
    "snapshotId": "snap-0e7716ad1c3f90b24",
    "attributeType": "CREATE_VOLUME_PERMISSION",
    "createVolumePermission": {"add": {"items": [{"userId": "999988887777"}]}},
}
_WHO = {"userName": NEW.name}
_ALL: dict[str, Any] = {"instancesSet": {}, "filterSet": {}}
Call = tuple[int, str, str, str, dict[str, Any] | None, str]
# (day, time, service, call, parameters, error)
_OLD_KEY: tuple[Call, ...] = (
    (1, "22:14:03", "sts", "GetCallerIdentity", None, ""),
    (1, "22:14:41", "iam", "ListUsers", None, ""),
    (1, "22:15:10", "iam", "GetAccountAuthorizationDetails", None, "AccessDenied"),
    (1, "22:31:50", "s3", "ListBuckets", None, ""),
    (1, "22:33:12", "organizations", "ListAccounts", None, "AccessDeniedException"),
    (2, "02:31:08", "iam", "ListAttachedUserPolicies", {"userName": LEGACY.name}, ""),
    (2, "02:31:44", "ec2", "DescribeInstances", _ALL, ""),
    (2, "02:40:15", "ec2", "DescribeSnapshots", {"ownersSet": {"items": [{"owner": "self"}]}}, ""),
    (2, "03:10:20", "iam", "CreateUser", _WHO, ""),
    (2, "03:10:58", "iam", "AttachUserPolicy", {**_WHO, "policyArn": _ADMINISTRATOR}, ""),
    (2, "03:11:31", "iam", "CreateAccessKey", _WHO, ""),
)
_NEW_KEY: tuple[Call, ...] = (
    (2, "03:14:02", "sts", "GetCallerIdentity", None, ""),
    (3, "01:20:44", "secretsmanager", "ListSecrets", {"maxResults": 100}, ""),
    (3, "01:41:15", "ec2", "CreateSnapshot", {"volumeId": "vol-0c41d7e9a0bb35f21"}, ""),
    (3, "01:44:40", "ec2", "ModifySnapshotAttribute", _SHARE, ""),
    (3, "01:52:06", "cloudtrail", "StopLogging", {"name": _TRAIL}, ""),
    (3, "02:03:19", "guardduty", "DeleteDetector", {"detectorId": "12abc34d567e8f"}, "AccessDeniedException"),
)
_USER_ARN = f"arn:aws:iam::{AWS_PROD}:user/{NEW.name}"
_ANSWERS: dict[str, dict[str, Any]] = {
    "CreateUser": {"user": {**_WHO, "path": "/", "arn": _USER_ARN, "userId": "AIDA" + digest("user", NEW.name)[:17]}},
    "CreateSnapshot": {"snapshotId": _SHARE["snapshotId"], "volumeId": "vol-0c41d7e9a0bb35f21", "status": "pending"},
    "ModifySnapshotAttribute": {"_return": True},
}


def _steps(s: Story, who: Caller, calls: tuple[Call, ...]) -> None:
    for day, clock, service, name, parameters, error in calls:
        response = _ANSWERS.get(name)
        if name == "CreateAccessKey":
            stamp = f"Oct {12 + day}, 2026 {iso(t(day, clock), 0)[12:]} AM"
            response = {"accessKey": {**_WHO, "accessKeyId": NEW.key, "status": "Active", "createDate": stamp}}
        cloudtrail.call(
            s,
            t(day, clock),
            who,
            service,
            name,
            ADDRESS,
            CLI,
            parameters=parameters,
            response=response,
            error=error,
        )


def _take(s: Story) -> None:
    """All secrets, then the exports of the customer database."""
    systems, kinds = (("telemetry", "erp", "crm", "mail", "ci"), ("db", "api", "smtp", "oauth", "sftp", "admin"))
    names = [f"{system}/{kind}" for kind in kinds for system in systems]
    for number, name in enumerate(names):
        at = t(3, "01:22") + number * 3300 + s.rng.randrange(900)
        parameters = {"secretId": name}
        cloudtrail.call(s, at, NEW, "secretsmanager", "GetSecretValue", ADDRESS, CLI, parameters=parameters)
    for number in range(12):
        bucket, key = "marlund-crm-exports", f"exports/customers-2026-{number + 1:02d}.csv.gz"
        cloudtrail.call(
            s,
            t(3, "02:20") + number * 8000 + s.rng.randrange(900),
            NEW,
            "s3",
            "GetObject",
            ADDRESS,
            CLI,
            parameters={"bucketName": bucket, "key": key},
            resources=[{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"}],
        )


def write(s: Story) -> None:
    """Tuesday 22:14 to Thursday 02:22, in three short visits."""
    with s.part("leaked-key", INCIDENT):
        _steps(s, LEGACY, _OLD_KEY)
        _steps(s, NEW, _NEW_KEY)
        _take(s)
