"""Plugins with the faults that Python invites to. The configuration is the fault's name, which begins with the rule that it
breaks; without one it is a right plugin. Each is a line that well-meaning authors write."""

import json
import re
import unicodedata
from typing import Any

from dedup_plugin import (
    CHANGED, JSON, SAME, Event, Info, NoKey, Pair, Score, key_extractor, similarity_scorer, split_pointers,
)


def right(event: Event) -> Any:
    return event.raw(0)


def hashed(event: Event) -> Any:
    return str(hash(event.text(0)))  # 32 bits in wasm, and another number in each build.


def as_float(event: Event) -> Any:
    try:
        return str(float(event.raw(0)))
    except ValueError:
        return event.raw(0)


def is_flat_json(event: Event) -> bool:
    """No fault: of what is nested very deeply, `json.loads` runs out of stack."""
    return event.kind(0) == JSON and event.raw(0).count(b"[") + event.raw(0).count(b"{") < 100


def from_json(event: Event) -> Any:
    if not is_flat_json(event):
        return event.raw(0)
    try:
        return json.dumps(json.loads(event.raw(0)))  # Fractions and exponents are floats in between.
    except ValueError:
        return event.raw(0)


def stripped(event: Event) -> Any:
    return (event.text(0) or "").strip()  # All that Unicode calls white space.


def cached(event: Event, keys: dict[str, bytes] = {}) -> Any:
    return keys.setdefault((event.text(0) or "")[:40], event.raw(0))


def lowered(event: Event) -> Any:
    return (event.text(0) or "").lower()


def without_scheme(event: Event) -> Any:
    return (event.text(0) or "").lstrip("https://")  # All of these characters, and not the text.


def composed(event: Event) -> Any:
    return unicodedata.normalize("NFC", event.text(0) or "")


def cut(event: Event) -> Any:
    return (event.text(0) or "")[:255]


def encoded(event: Event) -> Any:
    return (event.text(0) or "").encode("ascii", "replace")


def joined(event: Event) -> Any:
    if event.value(1).is_missing:
        raise NoKey("/of is absent or null")
    return f"{event.text(0)}|{event.text(1)}"


def listed(event: Event) -> Any:
    if not is_flat_json(event):
        return event.raw(0)
    try:
        value = json.loads(event.raw(0))
        return ",".join(map(str, value)) if isinstance(value, list) else event.raw(0)
    except ValueError:
        return event.raw(0)


def matched(event: Event) -> Any:
    text = event.text(0) or ""
    return text if re.fullmatch(r"(a+)+!", text[:4000]) else event.raw(0)  # Tries all ways to divide the letters.


seen: set[str] = set()


def remembered(event: Event) -> Any:
    seen.add(event.text(0) or "")
    return event.raw(0)


FAULTS = {
    "": right,
    "K13-hash": hashed,
    "K10-float": as_float,
    "K11-strip": stripped,
    "D6-cache": cached,
    "K15-lower": lowered,
    "K15-lstrip": without_scheme,
    "K15-composed": composed,
    "K9-cut": cut,
    "K11-encode": encoded,
    "K4-joined": joined,
    "K16-joined": listed,
    "K16-json": from_json,
    "R4-pattern": matched,
    "R8-seen": remembered,
}


@key_extractor
class Faults:
    INFO = Info(name="faults", version="0.1.0", key_version=1)

    def configure(self, config: str) -> Any:
        if config not in FAULTS:
            raise ValueError(f"{config!r} is no fault: there are {', '.join(FAULTS)}")
        self.key_of = FAULTS[config]
        return ["/id", "/of"]

    def key(self, event: Event) -> Any:
        if event.kind(0) <= 1:
            raise NoKey("/id is absent or null")
        return self.key_of(event)


@similarity_scorer
class Lengths:
    """No fault: a scorer that reads the text of every value. Texts are as alike as they are long."""

    INFO = Info(name="faults", version="0.1.0")

    def configure(self, config: str) -> list[str]:
        return split_pointers(config) or [""]

    def compare(self, pair: Pair) -> Score:
        total, verdicts = 0.0, []
        for row in pair:
            one, other = len(row.original.text), len(row.duplicate.text)
            is_same = row.is_same()
            total += 1 if is_same else 0.5 * min(one, other) / max(one, other, 1)
            verdicts.append(SAME if is_same else CHANGED)
        similarity = total / len(pair) if len(pair) else 1.0
        return Score(similarity, similarity, verdicts)
