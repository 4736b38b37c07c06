"""What the domain detector learns from: lists of known domains, and names by well-known schemes of generating them.

Good: the top lists, banks and universities of the MISP warning lists. Bad: made here, since no list of bad domains is
at hand. Each scheme is a family, and each list a source: what is scored is never of a family or list that was learned.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tools.train.fitting import Sample, Task
from tools.train.words import WORDS
from watchfloor.core.look_alike import WELL_KNOWN, look_alike, registrable
from watchfloor.detect.learned import domains

_LISTS = (
    "cisco_top1000", "cisco_top5k", "cloudflare-top200", "moz-top500", "bank-website", "university_domains",
    "microsoft", "microsoft-office365", "microsoft-win10-connection-endpoints", "security-provider-blogpost",
    "lots-project", "link-in-bio", "url-shortener",
)  # fmt: skip
_EACH, _IMITATIONS = 1_000, 700
_SUFFIXES = ("com", "net", "org", "info", "biz", "ru", "top", "xyz", "co.uk", "de", "online", "site", "cc", "io")


def samples(data: Path) -> Iterator[Sample]:
    """Each registrable domain once, then the generated ones."""
    seen: set[str] = set()
    for name in _LISTS:
        for entry in json.loads((data / "misp-warninglists" / f"{name}.json").read_text())["list"]:
            host = domains.plain(str(entry).strip("."))
            if host and (domain := registrable(host)) not in seen:
                seen.add(domain)
                yield Sample(host, False, f"list {name}")
    yield from generated()


def generated(each: int = _EACH, imitations: int = _IMITATIONS) -> Iterator[Sample]:
    """Domains of every scheme, the same ones every time. Imitations are held out by what they imitate."""
    for name, scheme in SCHEMES.items():
        draw = random.Random(name)
        for _ in range(each):
            yield Sample(
                f"{scheme(draw)}.{draw.choice(_SUFFIXES)}", True, f"scheme {name}", learned=name not in _LIKE_ORDINARY
            )
    for name, imitation in IMITATIONS.items():
        draw = random.Random(name)
        for _ in range(imitations):
            known = draw.choice(WELL_KNOWN)
            host = domains.plain(imitation(known, draw))
            if host and look_alike(host, ()):
                yield Sample(host, True, f"imitations {_BRANDS.index(known.partition('.')[0]) % 6}", name)


def _drawn(letters: str, shortest: int, longest: int, draw: random.Random) -> str:
    return "".join(draw.choices(letters, k=draw.randint(shortest, longest)))


def _hash(draw: random.Random) -> str:
    seed = f"{draw.randint(2020, 2027)}-{draw.randint(1, 12)}-{draw.randint(1, 28)}-{draw.randint(0, 999)}"
    return hashlib.md5(seed.encode()).hexdigest()[: draw.choice((12, 16, 20, 24, 32))]


def _generator(draw: random.Random) -> str:
    """A linear congruential generator with the date as its seed, letters a to y, as several families have it."""
    state = draw.randint(2020, 2027) * 10_000 + draw.randint(1, 12) * 100 + draw.randint(1, 28)
    state = (state + draw.randint(0, 5_000) * 7919) & 0xFFFFFFFF
    letters = []
    for _ in range(draw.randint(10, 18)):
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        letters.append(chr(ord("a") + (state >> 16) % 25))
    return "".join(letters)


def _spoken(draw: random.Random) -> str:
    return "".join(draw.choice("bcdfghklmnprstvwz") + draw.choice("aeiou") for _ in range(draw.randint(4, 8)))


def _nearly_spoken(draw: random.Random) -> str:
    parts = (
        draw.choice("bcdfghjklmnpqrstvwxyz") + draw.choice("aeiouy") + draw.choice("bdglmnrstxz ") for _ in range(4)
    )
    return "".join(parts).replace(" ", "")[: draw.randint(8, 12)]


def _words(count: int, digits: bool, draw: random.Random) -> str:
    return "".join(draw.sample(WORDS, count)) + (str(draw.randint(10, 9999)) if digits else "")


def _shuffled(draw: random.Random) -> str:
    letters = list("".join(draw.sample(WORDS, 2)))
    draw.shuffle(letters)
    return "".join(letters)


SCHEMES: dict[str, Callable[[random.Random], str]] = {
    "letters": partial(_drawn, "abcdefghijklmnopqrstuvwxyz", 8, 20),
    "letters and digits": partial(_drawn, "abcdefghijklmnopqrstuvwxyz0123456789", 8, 24),
    "base 32": partial(_drawn, "abcdefghijklmnopqrstuvwxyz234567", 16, 32),
    "few letters": partial(_drawn, "aeimnorstuwbcdkl", 9, 15),
    "hash of a date": _hash,
    "dated generator": _generator,
    "spoken": _spoken,
    "nearly spoken": _nearly_spoken,
    "shuffled words": _shuffled,
    "two words": partial(_words, 2, False),
    "words and a number": partial(_words, 2, True),
}
# Their letters are those of ordinary names: learned, they would teach that words are bad. They are scored all the same.
_LIKE_ORDINARY = frozenset({"spoken", "two words", "words and a number"})
_LURES = (
    "login", "secure", "verify", "account", "support", "update", "auth", "signin", "billing", "help", "portal",
    "service", "security", "wallet", "id", "confirm", "online", "web", "app", "my", "team", "docs", "mail",
)  # fmt: skip
_GLYPHS = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "i": "і", "x": "х", "y": "у", "s": "ѕ"}
_LOOKS = {"o": "0", "l": "1", "i": "1", "m": "rn", "w": "vv", "e": "3", "s": "5", "a": "4", "d": "cl"}


_BRANDS = sorted({domain.partition(".")[0] for domain in WELL_KNOWN})


def _edited(known: str, draw: random.Random) -> str:
    letters = list(known.partition(".")[0])
    for _ in range(1 if len(letters) < 9 else draw.randint(1, 2)):
        place, kind = draw.randrange(len(letters)), draw.randrange(4)
        if kind == 0:
            letters.insert(place, letters[place])
        elif kind == 1 and len(letters) > 3:
            del letters[place]
        elif kind == 2 and place + 1 < len(letters):
            letters[place : place + 2] = letters[place + 1], letters[place]
        else:
            letters[place] = draw.choice("abcdefghijklmnopqrstuvwxyz")
    return f"{''.join(letters)}.{draw.choice(_SUFFIXES)}"


def _signs(known: str, draw: random.Random) -> str:
    brand = known.partition(".")[0]
    able = [letter for letter in _LOOKS if letter in brand] or ["o"]
    letter = draw.choice(able)
    return f"{brand.replace(letter, _LOOKS[letter], 1)}.{draw.choice(_SUFFIXES)}"


def _glyphs(known: str, draw: random.Random) -> str:
    brand = known.partition(".")[0]
    able = [letter for letter in _GLYPHS if letter in brand] or ["o"]
    letter = draw.choice(able)
    return f"{brand.replace(letter, _GLYPHS[letter])}.com".encode("idna").decode()


def _with_lure(known: str, draw: random.Random) -> str:
    brand, lure = known.partition(".")[0], draw.choice(_LURES)
    host = draw.choice((f"{brand}-{lure}", f"{lure}-{brand}", f"{lure}-{brand}-{draw.choice(_LURES)}"))
    return f"{host}.{draw.choice(_SUFFIXES)}"


def _under_another(known: str, draw: random.Random) -> str:
    own = "".join(draw.sample(WORDS, 2))
    return f"{draw.choice(('', 'www.', draw.choice(_LURES) + '.'))}{known}.{own}.{draw.choice(_SUFFIXES)}"


IMITATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "edited brand": _edited,
    "brand with other signs": _signs,
    "brand with other alphabets": _glyphs,
    "brand with a lure": _with_lure,
    "brand under another domain": _under_another,
}

TASK = Task("domain", samples, domains.pieces, least_seen=4, false_positives=0.003)
