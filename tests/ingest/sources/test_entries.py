"""`sources.yaml` as text: an entry comes and goes, and all else stays as its owner wrote it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources import KINDS
from watchfloor.ingest.sources.entries import with_entry, without_entry
from watchfloor.ingest.sources.options import options_of, read_options

NEW = {"name": "k", "kind": "kafka", "brokers": ["a:9092"], "tls": {"ca": "/x: y"}}
OWN = """# what we collect
sources:
  # the firewalls
  - {name: fw, kind: syslog, transport: udp, port: 5514}   # since May

  - name: zeek
    kind: tail
    # rotated ones too
    paths:
      - /a
      - "/b # no comment"
  # the last one
  -
    name: okta
    kind: poll
# the end
"""
LAYOUTS = [
    OWN,
    OWN.rstrip("\n").removesuffix("# the end").rstrip(),
    "sources: [{name: fw, a: 1}, {name: zeek, b: 2},\n  {name: okta, c: 3}]\n",
    "sources:\n- name: fw\n- name: zeek\n  b: |\n    two\n    lines\n- name: okta\n",
    "sources:\n- {name: fw}\n- {name: zeek}\n- {name: okta}",
]


def listed(text: str) -> list[Any]:
    found = yaml.safe_load(text)["sources"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "sources: []\n", "sources: [] # none\n", *LAYOUTS])
def test_an_entry_comes_last_and_every_line_stays(text: str) -> None:
    after = with_entry(text, NEW)
    assert listed(after) == [*(listed(text) if "sources" in text else []), NEW]
    for line in text.splitlines():
        assert line.removeprefix("sources: []").rstrip("]").strip() in after


@pytest.mark.parametrize("text", LAYOUTS)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_entry_goes_and_comments_stay(text: str, number: int) -> None:
    after = without_entry(text, number)
    before = listed(text)
    assert listed(after) == before[:number] + before[number + 1 :]
    for comment in ("# what we collect", "# the firewalls", "# the last one"):
        assert (comment in after) == (comment in text)


@pytest.mark.parametrize(
    "text", ["sources:\n- name: a\n  b: 1\n# end\n", "sources: [{name: a}]\n", "sources: # ours\n  - {name: a}\n"]
)
def test_the_last_one_leaves_an_empty_list_to_which_one_can_be_added(text: str) -> None:
    empty = without_entry(text, 0)
    assert listed(empty) == []
    assert listed(with_entry(empty, NEW)) == [NEW]


# Without what YAML takes for an end of line, in the file too.
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
ENTRY = st.dictionaries(TEXT, TEXT | st.lists(TEXT, max_size=3) | st.integers(), min_size=1, max_size=3)


@given(st.lists(ENTRY, min_size=1, max_size=5), st.data())
def test_whatever_was_added_can_be_taken_away(entries: list[dict[str, Any]], data: Any) -> None:
    text = ""
    for entry in entries:
        text = with_entry(text, entry)
    assert listed(text) == entries
    number = data.draw(st.integers(0, len(entries) - 1))
    assert listed(without_entry(text, number)) == entries[:number] + entries[number + 1 :]


@pytest.mark.parametrize("text", ["sources: {}\n", "other: 1\n", "[]\n", "sources: text\n"])
def test_what_is_no_list_of_sources_is_left_alone(text: str) -> None:
    with pytest.raises(WatchfloorError, match="must hold"):
        with_entry(text, NEW)


@pytest.mark.parametrize("kind", KINDS)
def test_each_option_of_each_kind_says_what_it_is(kind: str) -> None:
    found = options_of(KINDS[kind])
    assert {option.name for option in found} == KINDS[kind].model_fields.keys() - {"name", "kind"}
    for option in found:
        assert len(option.about) > 10, f"{kind}.{option.name} has no sentence"


def test_options_are_text_where_the_noun_wants_text_and_yaml_elsewhere() -> None:
    given = [
        "brokers=[a:1, b:2]",
        "topics=auth",
        "group=007",
        "tls={}",
        "sasl.user=ana",
        "sasl.mechanism=PLAIN",
        "sasl.password=env:P",
    ]
    sasl = {"user": "ana", "mechanism": "PLAIN", "password": "env:P"}
    wanted = {"brokers": ["a:1", "b:2"], "topics": ["auth"], "group": "007", "tls": {}, "sasl": sasl}
    assert read_options(KINDS["kafka"], given) == wanted
    assert read_options(KINDS["syslog"], ["transport=udp", "port=5514"]) == {"transport": "udp", "port": 5514}
    assert read_options(KINDS["tail"], ["paths=[/a]", "follow_links=true"]) == {"paths": ["/a"], "follow_links": True}
    assert read_options(KINDS["poll"], ["product=okta", "secrets.token=env:T"]) == {
        "product": "okta",
        "secrets": {"token": "env:T"},
    }


@pytest.mark.parametrize("given", ["brokrs=a", "brokers", "name=x", "kind=x", "=x", "brokers=[a", "start.x=1"])
def test_what_is_no_option_is_said(given: str) -> None:
    with pytest.raises(WatchfloorError, match=r"no option|no YAML|as a whole"):
        read_options(KINDS["kafka"], ["start=latest", given])
