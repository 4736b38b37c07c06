"""A reported mail goes the whole way: read, asked about, decided, grouped with its copies, planned, answered."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from typer.testing import CliRunner

from watchfloor.cli import app

RUN = CliRunner()
BEGAN = datetime(2026, 10, 13, 7, 1, 2, tzinfo=UTC)
PEOPLE = {"ana": "Ana Ruiz", "ben": "Ben Holt", "zoe": "Zoe Lin"}


def lure(number: int, user: str) -> EmailMessage:
    """One copy: its own name, number and link, the same text."""
    mail, name = EmailMessage(), PEOPLE[user]
    mail["From"], mail["To"] = "IT Service Desk <desk@acrne.example>", f"{name} <{user}@acme.example>"
    mail["Subject"], mail["Message-ID"] = f"Your mailbox is almost full #{number}", f"<m{number}@acrne.example>"
    mail["Date"] = format_datetime(BEGAN + timedelta(minutes=number))
    mail["Authentication-Results"] = "mx.acme.example; spf=pass smtp.mailfrom=desk@acrne.example; dmarc=fail"
    said = f"Dear {name}, your mailbox has reached its limit and will be closed within 24 hours. Sign in to keep it"
    mail.set_content(f"{said}, or scan the code below with your phone. Ticket {number}")
    wrapped = f"https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Flogin.acrne.example%2F%3Fu%3D{number}"
    mail.add_alternative(f'<p>{said}: <a href="{wrapped}">https://mail.acme.example</a></p>', subtype="html")
    out = io.BytesIO()
    drawn = zxingcpp.create_barcode(f"https://login.acrne.example/?u={number}", zxingcpp.BarcodeFormat.QRCode)
    Image.fromarray(drawn.to_image(scale=6)).convert("RGB").save(out, "PNG")
    mail.add_attachment(out.getvalue(), maintype="image", subtype="png", filename="code.png")
    return mail


def report(user: str, inner: EmailMessage) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"] = f"{PEOPLE[user]} <{user}@acme.example>", "phishing@acme.example"
    mail["Subject"], mail["Message-ID"] = "Is this real?", f"<report-{user}@acme.example>"
    mail["Date"] = format_datetime(BEGAN + timedelta(hours=1))
    mail["Authentication-Results"] = "mx.acme.example; spf=pass; dkim=pass header.d=acme.example; dmarc=pass"
    mail.set_content("I did not click.")
    mail.add_attachment(inner)
    return mail.as_bytes()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phishing")
    mails, context = folder / "mails", folder / "context"
    mails.mkdir()
    context.mkdir()
    (mails / "a.eml").write_bytes(report("ana", lure(1, "ana")))
    (mails / "b.eml").write_bytes(report("ben", lure(2, "ben")))
    (mails / "c.eml").write_bytes(lure(3, "zoe").as_bytes())
    (context / "company.yaml").write_text("name: Acme\ndomains: [acme.example]\nmail_domains: [acme.example]\n")
    people = "".join(f"- {{user: {user}, mail: {user}@acme.example}}\n" for user in PEOPLE)
    (context / "identities.yaml").write_text(people)
    told = RUN.invoke(app, ["triage", str(mails), "--context", str(context), "--home", str(folder / "home")])
    assert told.exit_code == 0, told.output
    return folder / "home"


def case_of(home: Path) -> dict[str, object]:
    told = RUN.invoke(app, ["case", "list", "--home", str(home), "--format", "jsonl"])
    (line,) = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    assert isinstance(line, dict)
    return line


def test_copies_that_several_people_got_are_one_case_with_a_verdict(home: Path) -> None:
    case = case_of(home)
    assert (case["verdict"], case["disposition"]) == ("malicious", "escalate")
    assert case["resolution_code"] == "true_positive.phishing"
    rules = [finding["rule_id"] for finding in case["findings"]]  # type: ignore[attr-defined]
    assert rules.count("mail/reported") == 2
    assert {"user:ana", "user:ben", "user:zoe"} <= set(case["entities"])  # type: ignore[call-overload]


def test_each_reporter_gets_a_draft_in_plain_words_that_leads_nowhere(home: Path) -> None:
    case = str(case_of(home)["case"])
    told = RUN.invoke(app, ["case", "reply", case, "--home", str(home), "--format", "jsonl"])
    drafts = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    assert sorted(one["to"] for one in drafts) == ["ana@acme.example", "ben@acme.example"]
    text = drafts[0]["text"]
    assert text.startswith(("Hello Ana,", "Hello Ben,"))
    assert "You were right" in text
    assert "A code to scan leads to a sign-in page that is not ours." in text
    assert "acrne.example" not in text
    assert "zoe" not in text.lower()
    assert drafts[0]["rests_on"]


def test_the_case_shows_the_campaign_and_the_plan_takes_it_out(home: Path) -> None:
    from watchfloor.app.watchfloor import Watchfloor

    case = str(case_of(home)["case"])
    with Watchfloor.open(home) as product:
        (campaign,) = product.desk.mails(case).campaigns
        plan = product.desk.case_view(case).plan
        findings = product.desk.case_view(case).findings
        verdict = product.desk.case_view(case).verdict
    assert (campaign.mails, campaign.recipients, campaign.hosts) == (3, 3, ("login.acrne.example",))
    assert plan is not None
    steps = [action.call.action for action in plan.actions]
    assert {"mail.quarantine_message", "mail.block_sender", "ticketing.create"} <= set(steps)
    assert steps.count("mail.quarantine_message") == 3
    assert any(thread.startswith("campaign:") for finding in findings for thread in finding.thread)
    assert verdict is not None
    told = {claim.uid for claim in verdict.claims if claim.grounded}
    with Watchfloor.open(home) as product:
        assert all(set(draft.rests_on) <= told for draft in product.desk.mails(case).replies)
