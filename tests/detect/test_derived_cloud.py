"""What a call to AWS hands out, read from policies as objects and as texts, and from what shares disks and images."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.detect.helpers import event
from watchfloor.detect.sigma.derived import DERIVED

OWN, OTHER = "111122223333", "444455556666"
LOGSOURCE = {"product": "aws", "service": "cloudtrail"}


def call(request: Any, own: str = OWN) -> dict[str, Any]:
    return {"recipientAccountId": own, "userIdentity": {"accountId": own}, "requestParameters": request}


def policy(principal: Any = None, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, **more}]}


@pytest.mark.parametrize(
    ("request_", "foreign"),
    [
        ({"policyDocument": orjson.dumps(policy({"AWS": f"arn:aws:iam::{OTHER}:root"})).decode()}, True),
        ({"policyDocument": orjson.dumps(policy({"AWS": f"arn:aws:iam::{OWN}:role/deploy"})).decode()}, False),
        ({"bucketPolicy": policy({"AWS": [f"arn:aws:iam::{OWN}:root", OTHER]})}, True),
        ({"bucketPolicy": policy({"AWS": OTHER}, Effect="Deny")}, None),
        ({"policyDocument": orjson.dumps(policy({"Service": "ec2.amazonaws.com"})).decode()}, None),
        ({"createVolumePermission": {"add": {"items": [{"userId": OTHER}]}}}, True),
        ({"createVolumePermission": {"add": {"items": [{"userId": OWN}]}}}, False),
        ({"createVolumePermission": {"remove": {"items": [{"userId": OTHER}]}}}, None),
        ({"valuesToAdd": [OTHER]}, True),
        ({"valuesToRemove": [OTHER]}, None),
        ({"valuesToAdd": ["all"]}, None),
        ({"roleName": OTHER}, None),
        ({"policyDocument": "{not json"}, None),
        (None, None),
    ],
)
def test_accounts_that_are_not_the_callers(request_: Any, foreign: bool | None) -> None:
    assert DERIVED["account_foreign"](event(call(request_), logsource=LOGSOURCE)) is foreign


def test_an_account_of_the_other_partitions_and_the_callers_own_two() -> None:
    china = call({"policyDocument": orjson.dumps(policy({"AWS": f"arn:aws-cn:iam::{OTHER}:user/x"})).decode()})
    assert DERIVED["account_foreign"](event(china)) is True
    # A call from another account into this one names the caller's: neither is foreign to it.
    crossing = {**call({"valuesToAdd": [OTHER]}), "userIdentity": {"accountId": OTHER}}
    assert DERIVED["account_foreign"](event(crossing)) is False


def test_cloudtrail_that_came_as_ocsf() -> None:
    request = orjson.dumps({"policyDocument": orjson.dumps(policy({"AWS": OTHER})).decode()}).decode()
    ocsf = {"api": {"request": {"data": request}}, "cloud": {"account": {"uid": OWN}}}
    assert DERIVED["account_foreign"](event(ocsf=ocsf)) is True
    assert DERIVED["policy_for_everyone"](event(ocsf=ocsf)) is False


@pytest.mark.parametrize(
    ("document", "open_"),
    [
        (policy("*"), True),
        (policy({"AWS": "*"}), True),
        (policy({"AWS": ["*"]}, Condition={"Bool": {"aws:SecureTransport": "true"}}), True),
        (policy("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-acme"}}), False),
        (policy("*", Condition={"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}), False),
        (policy("*", Condition={"IpAddress": {"aws:SourceIp": ["0.0.0.0/0"]}}), True),
        (policy("*", Effect="Deny"), None),
        (policy({"Service": "*"}), False),
        ({"Statement": {"Effect": "Allow", "Principal": "*"}}, True),
        ({"Statement": ["odd", None]}, None),
    ],
)
def test_policies_for_everyone(document: dict[str, Any], open_: bool | None) -> None:
    for request in ({"bucketPolicy": document}, {"policy": orjson.dumps(document).decode()}):
        assert DERIVED["policy_for_everyone"](event(call(request), logsource=LOGSOURCE)) is open_


@pytest.mark.parametrize(
    ("statement", "everything"),
    [
        ({"Action": "*", "Resource": "*"}, True),
        ({"Action": ["s3:GetObject", "iam:*"], "Resource": ["*"]}, True),
        ({"Action": "*", "Resource": "*", "Effect": "Deny"}, None),
        ({"Action": "*", "Resource": "arn:aws:s3:::acme-logs/*"}, False),
        ({"Action": "s3:*", "Resource": "*"}, False),
    ],
)
def test_policies_that_allow_everything(statement: dict[str, Any], everything: bool | None) -> None:
    text = orjson.dumps({"Statement": [{"Effect": "Allow", **statement}]}).decode()
    assert DERIVED["policy_allows_everything"](event(call({"policyDocument": text}))) is everything


def test_hostile_depth_and_length_say_nothing() -> None:
    deep: Any = policy("*")
    for _ in range(500):
        deep = {"a": deep}
    assert DERIVED["policy_for_everyone"](event(call(deep))) is None
    long = '{"Statement": [], "x": "' + "a" * 300_000 + '"}'
    assert DERIVED["policy_for_everyone"](event(call({"policyDocument": long}))) is None
