"""A mail's HTML as its reader sees it: links with the text that shows, forms, and what is there and does not show."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

MOST_LINKS = 300
HIDDEN_LIMIT = 8_192
_MOST_FORMS, _MOST_PICTURES, _LONGEST_PICTURE, _DEEPEST = 20, 8, 2 << 20, 400
# They have no end and no content.
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
# Preview texts of newsletters are hidden so, too: what is made of it is for questions to weigh.
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:\.\d+)?(?:px|pt|em|%|\s|;|$)|opacity\s*:\s*0(?:\.0+)?(?:;|\s|$)"
    r"|(?:^|[;\s])(?:max-)?(?:height|width)\s*:\s*0(?:px)?\s*(?:;|$)|mso-hide\s*:\s*all",
    re.I,
)
_PICTURE = re.compile(r"data:image/(?:png|jpe?g|gif|bmp|webp);base64,", re.I)
# A page that makes a file of itself and hands it over (T1027.006).
_SMUGGLING = re.compile(r"createobjecturl|mssaveoropenblob|new\s+blob|\.download\s*=|msSaveBlob", re.I)
_UNPACKING = re.compile(r"atob\s*\(|fromcharcode|unescape\s*\(|decodeuricomponent|uint8array", re.I)


class Page(HTMLParser):
    """Collects links, forms, pictures that the page carries in itself, its text, and the text that does not show."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[dict[str, str]] = []
        self.forms: list[dict[str, Any]] = []
        self.pictures: list[str] = []
        self.text: list[str] = []
        self.hidden: list[str] = []
        self.scripts = 0
        self._hidden_length = 0
        self._open: dict[str, str] | None = None
        self._within: list[tuple[str, bool]] = []
        self._unseen = self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {k: v or "" for k, v in attrs}
        if tag in ("script", "style"):
            self._unread += 1
            self.scripts += tag == "script"
        target = values.get("href") if tag in ("a", "area") else values.get("action") if tag == "form" else None
        if target and len(self.links) < MOST_LINKS:
            self._open = {"text": "" if tag == "a" else f"<{tag}>", "href": target.strip()[:4000]}
            self.links.append(self._open)
            if tag != "a":
                self._open = None
        if tag == "form" and len(self.forms) < _MOST_FORMS:
            self.forms.append({"action": (target or "").strip()[:4000], "password": False})
        elif tag == "input" and values.get("type", "").lower() == "password":
            if not self.forms:
                self.forms.append({"action": "", "password": True})
            self.forms[-1]["password"] = True
        elif tag == "img":
            self._image(values.get("src", ""))
        if tag not in _VOID:
            unseen = "hidden" in values or bool(_UNSEEN.search(values.get("style", "")[:2000]))
            self._within.append((tag, unseen))
            self._unseen += unseen
            if len(self._within) > _DEEPEST:
                self._unseen -= self._within.pop(0)[1]

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None
        elif tag in ("script", "style"):
            self._unread = max(0, self._unread - 1)
        if any(name == tag for name, _ in self._within[-32:]):
            while self._within:
                name, unseen = self._within.pop()
                self._unseen -= unseen
                if name == tag:
                    break

    def handle_data(self, data: str) -> None:
        if self._unread:
            return
        if self._unseen:
            if self._hidden_length < HIDDEN_LIMIT and data.strip():
                self.hidden.append(data[:HIDDEN_LIMIT])
                self._hidden_length += len(data)
            return
        self.text.append(data)
        if self._open is not None:
            self._open["text"] = (self._open["text"] + data).strip()[:500]

    def _image(self, source: str) -> None:
        if len(self.pictures) < _MOST_PICTURES and len(source) < _LONGEST_PICTURE and _PICTURE.match(source.lstrip()):
            self.pictures.append(source.partition(",")[2])


def smuggles(html: str) -> bool:
    """Whether a page's script unpacks a file out of the page itself."""
    return bool(_SMUGGLING.search(html) and _UNPACKING.search(html))
