"""Plain working days in AWS: developers, consoles, roles of machines, the pipeline that builds infrastructure."""

from __future__ import annotations

import json
from typing import Any

from tools.story.company import AWS_DEV, AWS_PROD, EGRESS_HAMBURG
from tools.story.formats import cloudtrail
from tools.story.formats.cloudtrail import BOTO, CLI_WINDOWS, CONSOLE, TERRAFORM, Caller
from tools.story.recorder import Story, digest, t

Call = tuple[str, str, dict[str, Any] | None]


def _key(kind: str, name: str) -> str:
    return kind + digest("key", name)[:16]


LEGACY = Caller("ci-deploy-legacy", _key("AKIA", "legacy"))
DEVELOPERS = (
    Caller("lena.brandt", _key("AKIA", "lena.brandt")),
    Caller("fatima.benali", _key("AKIA", "fatima.benali")),
    Caller("ruben.groot", _key("AKIA", "ruben.groot"), account=AWS_DEV),
    Caller("bram.jansen", _key("AKIA", "bram.jansen")),
)
_PIPELINE = Caller("deploy-pipeline", _key("ASIA", "pipeline"), "terraform-run")
_BACKUP = Caller("backup-rotation", _key("ASIA", "backup"), "i-0b7e2c41d9aa05f36")
_TELEMETRY = Caller("telemetry-ingest", _key("ASIA", "telemetry"), "i-04ac9916e7b2d4f10")
_BUCKET, _SECRET = "marlund-telemetry-raw", {"secretId": "telemetry/db"}
_CALLS: tuple[Call, ...] = (
    ("sts", "GetCallerIdentity", None),
    ("s3", "ListBuckets", None),
    ("ec2", "DescribeInstances", {"instancesSet": {}, "filterSet": {}}),
    ("logs", "DescribeLogGroups", {"logGroupNamePrefix": "/telemetry/"}),
    ("ecr", "DescribeRepositories", {}),
    ("lambda", "ListFunctions20150331", None),
    ("cloudformation", "DescribeStacks", {}),
    ("iam", "ListRoles", None),
    ("s3", "GetBucketLocation", {"bucketName": _BUCKET}),
    ("secretsmanager", "DescribeSecret", _SECRET),
)


def _developers(s: Story, day: int) -> None:
    rng = s.rng
    for developer in DEVELOPERS:
        for _ in range(rng.randint(5, 11)):
            at = s.work_time(day)
            for step in range(rng.randint(1, 3)):
                service, name, parameters = rng.choice(_CALLS)
                error = "AccessDenied" if name == "ListRoles" and developer.account == AWS_DEV else ""
                where = (EGRESS_HAMBURG, CLI_WINDOWS)
                cloudtrail.call(
                    s, at + step * 9000, developer, service, name, *where, parameters=parameters, error=error
                )
    for user in ("bram.jansen", "miriam.adler", "nadia.okafor"):
        cloudtrail.console_login(s, s.work_time(day), user, EGRESS_HAMBURG)
        browser = Caller(user, _key("ASIA", "console" + user))
        for _ in range(rng.randint(3, 8)):
            service, name, parameters = rng.choice(_CALLS)
            where = (EGRESS_HAMBURG, CONSOLE)
            cloudtrail.call(s, s.work_time(day), browser, service, name, *where, parameters=parameters)


def _telemetry(s: Story, day: int) -> None:
    """A role that writes data and reads its own secret, every hour."""
    where = ("10.60.1.14", BOTO)
    arn = f"arn:aws:secretsmanager:eu-central-1:{AWS_PROD}:secret:telemetry/db-a1B2c3"
    for hour in range(24):
        at = t(day, f"{hour:02d}:12") + s.rng.randrange(600_000)
        for step in range(3):
            key = f"2026/10/{12 + day}/{hour:02d}/part-{step:04d}.parquet"
            resources = [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{_BUCKET}/{key}"}]
            put = {"bucketName": _BUCKET, "key": key}
            moment = at + step * 1500
            cloudtrail.call(s, moment, _TELEMETRY, "s3", "PutObject", *where, parameters=put, resources=resources)
        cloudtrail.call(s, at + 9000, _TELEMETRY, "secretsmanager", "GetSecretValue", *where, parameters=_SECRET)
        context = {"encryptionContext": {"SecretARN": arn}}
        cloudtrail.call(s, at + 12_000, _TELEMETRY, "kms", "Decrypt", *where, parameters=context)


def _jobs(s: Story, day: int) -> None:
    """The old pipeline's firmware builds, and the nightly rotation of snapshots."""
    for clock in ("04:40", "10:40", "16:40"):
        at, where = t(day, clock) + s.rng.randrange(60_000), (EGRESS_HAMBURG, BOTO)
        cloudtrail.call(s, at, LEGACY, "sts", "GetCallerIdentity", *where)
        put = {"bucketName": "marlund-firmware", "key": f"nightly/ms7-{day}.bin"}
        cloudtrail.call(s, at + 2000, LEGACY, "s3", "PutObject", *where, parameters=put)
    where = ("10.60.1.20", BOTO)
    for number in range(6):
        at, volume = t(day, "01:30") + number * 20_000, f"vol-0{digest('vol', str(number))[:16].lower()}"
        new, old = (f"snap-0{s.token(16, '0123456789abcdef')}" for _ in (0, 1))
        made = {"snapshotId": new, "volumeId": volume, "status": "pending"}
        asked = {"volumeId": volume}
        cloudtrail.call(s, at, _BACKUP, "ec2", "CreateSnapshot", *where, parameters=asked, response=made)
        gone = {"snapshotId": old}
        cloudtrail.call(
            s, at + 5000, _BACKUP, "ec2", "DeleteSnapshot", *where, parameters=gone, response={"_return": True}
        )


def _policy(action: str, **more: Any) -> str:
    statement = {"Effect": "Allow", **more, "Action": action}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def _infrastructure(role: str) -> tuple[Call, ...]:
    """What one run of the pipeline does for one role."""
    named = {"roleName": role}
    trust = _policy("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    write = _policy("s3:PutObject", Resource=f"arn:aws:s3:::{_BUCKET}/*")
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    function = {"functionName": role, "runtime": "python3.12", "role": f"arn:aws:iam::{AWS_PROD}:role/{role}"}
    rule = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "ipRanges": {"items": [{"cidrIp": "10.60.0.0/16"}]}}
    ingress = {"groupId": "sg-0c11ffe2ab3390d71", "ipPermissions": {"items": [rule]}}
    return (
        ("sts", "GetCallerIdentity", None),
        ("iam", "GetRole", named),
        ("iam", "CreateRole", {**named, "assumeRolePolicyDocument": trust}),
        ("iam", "PutRolePolicy", {**named, "policyName": "write-telemetry", "policyDocument": write}),
        ("iam", "AttachRolePolicy", {**named, "policyArn": basic}),
        ("lambda", "CreateFunction20150331", function),
        ("ec2", "AuthorizeSecurityGroupIngress", ingress),
    )


def _pipeline(s: Story, day: int) -> None:
    """Infrastructure as code: the pipeline makes roles and policies, several times a day."""
    for run, clock in enumerate(("07:40", "09:25", "13:10", "14:50")):
        at, role = t(day, clock) + s.rng.randrange(600_000), f"telemetry-job-{day}{run}"
        for step, (service, name, parameters) in enumerate(_infrastructure(role)):
            missing = name == "GetRole"
            arn = f"arn:aws:iam::{AWS_PROD}:role/{role}"
            cloudtrail.call(
                s,
                at + step * 1100 + s.rng.randrange(400),
                _PIPELINE,
                service,
                name,
                "10.60.2.8",
                TERRAFORM,
                parameters=parameters,
                error="NoSuchEntityException" if missing else "",
                message=f"The role with name {role} cannot be found." if missing else "",
                response={"role": {"roleName": role, "arn": arn}} if name == "CreateRole" else None,
            )


def write(s: Story) -> None:
    """All three days."""
    for day in (1, 2, 3):
        with s.part(f"aws-{day}"):
            _developers(s, day)
            _telemetry(s, day)
            _jobs(s, day)
            _pipeline(s, day)
