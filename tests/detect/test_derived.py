"""What is derived from two parts of one mail."""

from __future__ import annotations

import pytest

from tests.detect.helpers import event
from watchfloor.detect.sigma.derived import DERIVED


@pytest.mark.parametrize(
    ("sender", "to", "wanted"),
    [
        ("pay@rnarlund.example", "bob@marlund.example", True),
        ("pay@marIund.example".lower(), "bob@marlund.example", True),
        ("pay@marlumd.example", "bob@marlund.example", True),
        ("pay@malrund.example", "bob@marlund.example", True),
        ("pay@marlundd.example", "bob@mail.marlund.example", True),
        ("pay@xn--mrlund-3nf.example", "bob@marlund.example", True),  # a Cyrillic a
        ("pay@marlund.example", "bob@marlund.example", False),
        ("pay@marlund.test", "bob@marlund.example", False),  # one name under two suffixes is often one company
        ("pay@merchant.example", "bob@marlund.example", False),
        ("pay@acne.example", "bob@acme.example", False),  # too short to say
        ("pay@marlund-payroll.example", "bob@marlund.example", False),
        ("noreply@paypa1.example", "bob@marlund.example", False),  # imitates somebody, but not the recipient
        ("", "bob@marlund.example", None),
        ("pay@rnarlund.example", "", None),
    ],
)
def test_a_sender_that_looks_like_the_recipients_own_domain(sender: str, to: str, wanted: bool | None) -> None:
    assert DERIVED["sender_imitates_recipient"](event({"from": sender, "to": [to]})) is wanted


@pytest.mark.parametrize(
    ("sender", "wanted"),
    [("a@marlund-payroll.example", True), ("a@my-marlund.example", True), ("a@merchant.example", False)],
)
def test_a_sender_that_adds_to_the_recipients_name(sender: str, wanted: bool) -> None:
    assert DERIVED["sender_extends_recipient"](event({"from": sender, "to": ["bob@marlund.example"]})) is wanted


@pytest.mark.parametrize(
    ("name", "sender", "wanted"),
    [
        ("Marlund Payroll", "a@free.example", True),
        ("MARLUND helpdesk", "a@free.example", True),
        ("Marlund Payroll", "a@mail.marlund.example", False),
        ("Marlunda Tours", "a@free.example", False),
        ("Ana", "a@free.example", False),
    ],
)
def test_a_shown_name_that_claims_to_be_of_the_recipients_company(name: str, sender: str, wanted: bool) -> None:
    mail = {"from": sender, "from_name": name, "to": ["bob@marlund.example"]}
    assert DERIVED["name_claims_recipient"](event(mail)) is wanted


@pytest.mark.parametrize(
    "mail", [{}, {"from": 3, "to": 4}, {"from": "a@b.example", "to": [None, {}]}, {"from": "@", "to": ["@"]}]
)
def test_what_is_no_mail_says_nothing(mail: dict[str, object]) -> None:
    for name in ("sender_imitates_recipient", "sender_extends_recipient", "name_claims_recipient"):
        assert DERIVED[name](event(mail)) is None
