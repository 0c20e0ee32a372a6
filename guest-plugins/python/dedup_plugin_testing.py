"""Runs a Python plugin natively, so that its author can unit-test it: events in, keys or scores out, and files of golden
vectors. It is written to be read, not to be fast, and is not the sandbox: limits and what a component may import are the
host's. No part of a component.

    from dedup_plugin_testing import Harness
    from by_id import ById

    assert Harness(ById).keys('{"id": "7"}') == [b"7"]
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
import sys

from dedup_plugin import Column, Err

_ABSENT, _NULL, _BOOL, _NUMBER, _STRING, _JSON, _BYTES = range(7)


class NoKey(NamedTuple):
    """What is said of an event that has no identity."""

    reason: str


class Invalid(NamedTuple):
    """What is said of an event of which the plugin cannot make sense."""

    reason: str


class Comparison(NamedTuple):
    """What is said of a pair; the pointers of its properties by what is said of each."""

    similarity: float
    property_similarity: float
    changed: list[str]
    same: list[str]
    ignored: list[str]


class Batch(NamedTuple):
    """Events as they cross to a plugin: see the contract."""

    width: int
    values: Any
    kinds: bytes


class Pairs(NamedTuple):
    """Pairs as they cross to a plugin: see the contract."""

    ends: list[int]
    paths: Any
    original_kinds: bytes
    originals: Any
    duplicate_kinds: bytes
    duplicates: Any


class Harness:
    """A configured plugin."""

    def __init__(self, plugin: Any, config: str = "") -> None:
        """`plugin` is the class. A ValueError is the plugin's refusal of the configuration."""
        module = sys.modules[plugin.__module__]
        exported = [getattr(module, name, None) for name in ("KeyExtractor", "SimilarityScorer")]
        self._exported = next(one for one in exported if one is not None and one.plugin_class is plugin)()
        try:
            asked = self._exported.configure(config)
        except Err as error:
            raise ValueError(error.value.message) from None
        self.fields: list[str] | None = getattr(asked, "value", None)
        """The fields that the plugin asked for; None where it reads the payload."""

    def keys(self, event: str | bytes) -> list[bytes] | NoKey | Invalid:
        """What is said of one event, given as its text."""
        return self.keys_of([event])[0]

    def keys_of(self, events: list[str | bytes]) -> list[list[bytes] | NoKey | Invalid]:
        """What is said of the events of a batch."""
        answer = self.extract(events)
        keys = _values(answer.keys)
        notes = {note.index: note.message for note in answer.notes}
        owners = answer.owners or range(len(events))
        said: list[list[bytes] | NoKey | Invalid] = []
        for index, status in enumerate(answer.status):
            of_it = [key for key, owner in zip(keys, owners) if owner == index]
            said.append([of_it, NoKey(notes.get(index, "")), Invalid(notes.get(index, ""))][status])  # type: ignore[arg-type]
        return said

    def extract(self, events: list[str | bytes]) -> Any:
        """The answer for a whole batch, as it crosses to the host."""
        values = [value for event in events for value in project(event, self.fields)]
        width = 1 if self.fields is None else len(self.fields)
        return self._exported.extract(Batch(width, _column([raw for _, raw in values]), bytes(kind for kind, _ in values)))

    def compare(self, original: str, duplicate: str) -> Comparison:
        """What is said of two events, given as their texts."""
        rows = pair_up(original, duplicate, self.fields)
        paths, originals, duplicates = zip(*rows) if rows else ((), (), ())
        answer = self._exported.compare(Pairs(
            [len(rows)], _column([path.encode() for path in paths]),
            bytes(kind for kind, _ in originals), _column([raw for _, raw in originals]),
            bytes(kind for kind, _ in duplicates), _column([raw for _, raw in duplicates]),
        ))
        of = [[path for path, verdict in zip(paths, answer.verdicts) if verdict == said] for said in range(3)]
        return Comparison(answer.similarity[0], answer.property_similarity[0], of[1], of[0], of[2])


def check_golden(plugin: Any, file: str | Path) -> int:
    """Holds a plugin to a file of golden vectors; returns how many there are. An AssertionError tells all that differ."""
    cases = json.loads(Path(file).read_text(encoding="utf-8"))
    wrong = []
    for case in cases:
        config = case.get("config") or ""
        harness = Harness(plugin, config if isinstance(config, str) else json.dumps(config))
        wrong += [f"{case['name']}: wanted {wanted}, got {got}" for wanted, got in _answers(case, harness) if wanted != got]
    assert not wrong, "\n".join(wrong)
    return len(cases)


def _answers(case: dict[str, Any], harness: Harness) -> list[tuple[Any, Any]]:
    if "original" in case:
        original, duplicate = _dumped(case["original"]), _dumped(case["duplicate"])
        wanted = (case["similarity"], case["property_similarity"], case["changed"], case["same"])
        return [(wanted, harness.compare(*events)[:4]) for events in ((original, duplicate), (duplicate, original))]
    said = harness.keys(case["event_text"] if "event_text" in case else _dumped(case["event"]))
    wanted_keys = [key.encode() for key in case.get("keys", [])] or list(map(base64.b64decode, case.get("keys_base64", [])))
    wanted = "no key" if case.get("no_key") else "invalid" if case.get("invalid") else wanted_keys
    got = "no key" if isinstance(said, NoKey) else "invalid" if isinstance(said, Invalid) else said
    return [(wanted, got)]


# From here on it is what the host does with an event.


class _Number(str):
    """A number as it is written."""


def _parsed(event: str | bytes) -> Any:
    return json.loads(event, parse_int=_Number, parse_float=_Number, parse_constant=_refuse)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def project(event: str | bytes, fields: list[str] | None) -> list[tuple[int, bytes]]:
    """The values of an event's fields with their kinds; the payload where there are no fields."""
    if fields is None:
        return [(_BYTES, event if isinstance(event, bytes) else event.encode())]
    try:
        parsed = _parsed(event)
    except ValueError:
        return [(_ABSENT, b"")] * len(fields)
    return [_found(parsed, field) for field in fields]


def _found(value: Any, pointer: str) -> tuple[int, bytes]:
    for name in pointer.split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        is_index = isinstance(value, list) and (name == "0" or name.isdecimal() and name.isascii() and name[0] != "0")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif is_index and int(name) < len(value):
            value = value[int(name)]
        else:
            return (_ABSENT, b"")
    return _value(value, str)


def _value(value: Any, number: Any) -> tuple[int, bytes]:
    if value is None:
        return (_NULL, b"")
    if isinstance(value, bool):
        return (_BOOL, b"true" if value else b"false")
    if isinstance(value, _Number):
        return (_NUMBER, number(value).encode())
    if isinstance(value, str):
        return (_STRING, value.encode())
    return (_JSON, _canonical(value, number).encode())


def _canonical(value: Any, number: Any) -> str:
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode())
        return "{" + ",".join(f"{_dumped(name)}:{_canonical(inner, number)}" for name, inner in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_canonical(inner, number) for inner in value) + "]"
    return number(value) if isinstance(value, _Number) else _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _by_value(number: _Number) -> str:
    """One text for all spellings of a number; not always the one that the host would choose."""
    value = Decimal(number).normalize()
    return "0" if value == 0 else f"{value:f}" if abs(value.adjusted()) < 21 else str(value)


def pair_up(original: str, duplicate: str, fields: list[str] | None) -> list[tuple[str, Any, Any]]:
    """The properties of two events side by side: pointer, what the original has there, what the duplicate has."""
    if fields is None:
        return [("", (_BYTES, original.encode()), (_BYTES, duplicate.encode()))]
    originals, duplicates = _properties(_parsed(original), ""), _properties(_parsed(duplicate), "")
    paths = sorted(originals.keys() | duplicates.keys(), key=str.encode)
    covered = [path for path in paths if any(path == field or path.startswith(field + "/") for field in fields)]
    return [(path, originals.get(path, (_ABSENT, b"")), duplicates.get(path, (_ABSENT, b""))) for path in covered]


def _properties(value: Any, path: str) -> dict[str, tuple[int, bytes]]:
    if not isinstance(value, dict) or not value:
        return {path: _value(value, _by_value)}
    properties = {}
    for name, inner in value.items():
        properties.update(_properties(inner, path + "/" + name.replace("~", "~0").replace("/", "~1")))
    return properties


def _column(values: list[bytes]) -> Any:
    ends, end = [], 0
    for value in values:
        end += len(value)
        ends.append(end)
    return Column(b"".join(values), ends)


def _values(column: Any) -> list[bytes]:
    return [column.data[start:end] for start, end in zip([0, *column.ends], column.ends)]
