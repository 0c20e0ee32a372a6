"""The Python SDK for dedup-host plugins: a class a role, and a decorator that exports it. It hides how values are laid
out on their way to the plugin and back. Not the host; it runs natively as well, so that plugins can be unit-tested.

A whole plugin that says what makes two events the same:

    from dedup_plugin import Event, Info, key_extractor, split_pointers

    @key_extractor
    class ById:
        INFO = Info(name="by_id", version="1.0.0", key_version=1)

        def configure(self, config: str) -> list[str]:
            return split_pointers(config) or ["/id"]

        def key(self, event: Event) -> str | None:
            return event.text(0)

A whole plugin that says how alike a duplicate and its original are:

    from dedup_plugin import CHANGED, SAME, Info, Pair, Score, similarity_scorer, split_pointers

    @similarity_scorer
    class ShareOfSame:
        INFO = Info(name="share_of_same", version="1.0.0")

        def configure(self, config: str) -> list[str]:
            return split_pointers(config) or ["/properties"]

        def compare(self, pair: Pair) -> Score:
            same = pair.same()
            share = sum(same) / len(same) if same else 1.0
            return Score(share, share, [SAME if is_same else CHANGED for is_same in same])

A plugin must be pure: what it says of an event depends on the configuration and that event only. The host may drop the
object at any moment, make and configure another with the same text, and show it the same events again. So: keep nothing
between calls, and do not let the order of a set decide anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple, Protocol, TypeVar, Union

import sys

try:
    from componentize_py_types import Err
    from wit_world.imports import log as _host_log
    from wit_world.imports.types import (
        Column, Comparisons, Extraction, Failure, Input_Fields, Input_Payload, Note,
    )
except ImportError:  # Natively: the same shapes, and a log on standard error.
    from dataclasses import dataclass as _dataclass

    _host_log = None

    class Err(Exception):  # type: ignore[no-redef]
        def __init__(self, value: Any) -> None:
            super().__init__(value)
            self.value = value

    def _shape(name: str, *fields: str) -> Any:
        return _dataclass(type(name, (), {"__annotations__": dict.fromkeys(fields, Any)}))

    Column = _shape("Column", "data", "ends")
    Comparisons = _shape("Comparisons", "similarity", "property_similarity", "verdicts")
    Extraction = _shape("Extraction", "keys", "owners", "status", "notes")
    Failure = _shape("Failure", "message")
    Input_Fields = _shape("Input_Fields", "value")
    Input_Payload = _shape("Input_Payload")
    Note = _shape("Note", "index", "message")

# What a value is. The numbers are those of the contract.
ABSENT: Final = 0  # the event has no such field
NULL: Final = 1
BOOL: Final = 2  # `true` or `false`
NUMBER: Final = 3  # its JSON text
STRING: Final = 4  # UTF-8 without quotes, its escapes resolved
JSON: Final = 5  # an object or array as canonical JSON text; so too a string that UTF-8 cannot hold, in quotes
BYTES: Final = 6  # the whole payload as it came

# What is said of a property of a pair.
SAME: Final = 0
CHANGED: Final = 1
IGNORED: Final = 2  # it was not looked at

# How much a line of the log matters.
TRACE: Final = 0
DEBUG: Final = 1
INFORMATION: Final = 2
WARNING: Final = 3
ERROR: Final = 4

_KEYED, _NO_KEY, _INVALID = 0, 1, 2

Key = Union[bytes, str]
"""Keys are bytes; a str stands for its UTF-8."""


class Info(NamedTuple):
    """What a plugin says of itself."""

    name: str
    """A short name, as it stands in logs and metrics."""
    version: str
    """The version of the plugin, for people."""
    key_version: int = 1
    """Raise it when the same events get other keys than before. A plugin that only scores says 1."""


class NoKey(Exception):
    """Raised by `key`: the event has no identity. The words say why."""


class Invalid(Exception):
    """Raised by `key`: the plugin cannot make sense of the event, which becomes a dead letter. The words say why."""


class Payload:
    """What `configure` returns to read the whole payload, as it came, in the place of fields."""


PAYLOAD: Final = Payload()


class KeyExtractor(Protocol):
    """Decides what makes two events the same: they are if they have a key in common. Made without arguments."""

    INFO: Info

    def configure(self, config: str) -> Sequence[str] | Payload:
        """Reads the operator's text, empty where none was given, and returns the JSON pointers of the fields to read, or
        PAYLOAD. A ValueError refuses the text: say what is wrong with it and what would be right, and refuse unknown
        members by name."""

    def key(self, event: Event) -> Key | list[Key] | list[bytes] | list[str] | None:
        """The key of one event, or a list of several; None or [] where it has no identity. Raises NoKey or Invalid to
        say why not. Any other exception is the plugin's failure on this event."""


class SimilarityScorer(Protocol):
    """Says how alike two events are that share a key. It has no say in what is a duplicate. Made without arguments."""

    INFO: Info

    def configure(self, config: str) -> Sequence[str] | Payload:
        """As in KeyExtractor; a pointer stands for all properties at and below it, "" for those of the whole event."""

    def compare(self, pair: Pair) -> Score:
        """How alike the events of a pair are, and a verdict on each property. The answer must not change when the two
        events change places, and is 1 for an event and itself."""


class Value(NamedTuple):
    """One value of an event."""

    kind: int
    """What it is: ABSENT, NULL, BOOL, NUMBER, STRING, JSON or BYTES."""
    raw: bytes
    """Its text or bytes; empty where it is absent or null."""

    @property
    def is_missing(self) -> bool:
        """Whether it is absent or null."""
        return self.kind <= NULL

    @property
    def text(self) -> str:
        """The value as text. A payload need not be UTF-8: then this is a UnicodeDecodeError."""
        return self.raw.decode()


class Event:
    """One event: its values in the order of the fields asked for. What is not asked of it costs nothing. It is of use
    until `key` returns: the next event takes its place."""

    __slots__ = ("_data", "_starts", "_kinds", "_first", "width")

    def __init__(self, data: bytes, starts: list[int], kinds: bytes, first: int, width: int) -> None:
        self._data, self._starts, self._kinds, self._first = data, starts, kinds, first
        self.width = width
        """Number of values: as many as fields were asked for, or 1 for the payload."""

    def kind(self, field: int) -> int:
        """What the value of a field is, the fields counted from 0 in the order asked for."""
        return self._kinds[self._at(field)]

    def raw(self, field: int) -> bytes:
        """The bytes of a field's value; empty where it is absent or null."""
        at = self._at(field)
        return self._data[self._starts[at] : self._starts[at + 1]]

    def text(self, field: int) -> str | None:
        """The text of a field's value; None where it is absent or null."""
        return None if self.kind(field) <= NULL else self.raw(field).decode()

    def value(self, field: int) -> Value:
        """The value of a field with its kind."""
        return Value(self.kind(field), self.raw(field))

    def values(self) -> list[Value]:
        """All values in order."""
        return [self.value(field) for field in range(self.width)]

    def _at(self, field: int) -> int:
        if 0 <= field < self.width:
            return self._first + field
        raise IndexError(f"field {field} of an event that has {self.width}, counted from 0")


class Property(NamedTuple):
    """One place in the two events of a pair: something is there in at least one of them."""

    path: bytes
    """JSON pointer of the place, as UTF-8."""
    original: Value
    """What the original has there."""
    duplicate: Value
    """What the duplicate has there."""

    @property
    def pointer(self) -> str:
        """The JSON pointer as text."""
        return self.path.decode()

    def is_same(self) -> bool:
        """Whether both have the same, in kind and text; numbers and JSON come canonical from the host."""
        return self.original == self.duplicate


class Pair:
    """A duplicate, and the first event that had its key. Iterating gives its properties, ascending by the bytes of their
    pointers, no pointer twice; `paths` and `same` are faster where they are enough."""

    __slots__ = ("_rows", "_first", "_end")

    def __init__(self, rows: _Rows, first: int, end: int) -> None:
        self._rows, self._first, self._end = rows, first, end

    def __len__(self) -> int:
        return self._end - self._first

    def __iter__(self) -> Iterator[Property]:
        rows, at = self._rows, slice(self._first, self._end)
        originals = map(Value, rows.original_kinds[at], rows.originals[at])
        duplicates = map(Value, rows.duplicate_kinds[at], rows.duplicates[at])
        return map(Property, rows.paths[at], originals, duplicates)

    def paths(self) -> list[bytes]:
        """The JSON pointers of the properties, as UTF-8."""
        return self._rows.paths[self._first : self._end]

    def same(self) -> list[bool]:
        """For each property whether both events have the same there, in kind and text."""
        return self._rows.same[self._first : self._end]


class Score(NamedTuple):
    """How alike two events are; each from 0 to 1, 1 for an event and itself."""

    similarity: float
    """Over all that the scorer looks at."""
    property_similarity: float
    """Over the properties alone, as the scorer understands that word."""
    verdicts: Sequence[int] = ()
    """SAME, CHANGED or IGNORED for each property, in their order; those at the end that get none are IGNORED."""


class TupleKey:
    """Keys made of several values, such that no two different tuples meet in one key. Not a hash: the text can be read.
    Byte-identical with `dedup_plugin::tuple` of the Rust SDK.

    Parts are joined by `:`. In a part, `:` and `\\` are written `\\:` and `\\\\`. A string stands as it is; other kinds
    take a mark that no string can have: `\\n1` the number 1, `\\btrue` true, `\\j` and canonical text an object or array.
    With `missing="marked"`, `\\z` stands for null and `\\a` for no such field.
    """

    def __init__(
        self, parts: Sequence[str | Sequence[str]], *, missing: str = "no-key", kinds: str = "distinct"
    ) -> None:
        """A tuple of `parts`, each a JSON pointer, or a list of them of which the first that has a value counts.

        `missing` is what an event gets that lacks a part: `no-key`, or a key in which the part is `marked`. `kinds` is
        `distinct` or, for strings, numbers and booleans with one text to meet, `ignored`. A ValueError says what is
        wrong with these."""
        if missing not in ("no-key", "marked"):
            raise ValueError(f'missing is "{missing}": it can be "no-key" or "marked"')
        if kinds not in ("distinct", "ignored"):
            raise ValueError(f'kinds is "{kinds}": it can be "distinct" or "ignored"')
        if not parts:
            raise ValueError('the list of fields is empty: name at least one, such as "/id"')
        self.fields: list[str] = []
        """What to ask the host for: return it from `configure`."""
        self._parts: list[range] = []
        for part in parts:
            pointers = [part] if isinstance(part, str) else part
            if not pointers:
                raise ValueError('a list of alternative fields is empty: name at least one, such as "/id"')
            for pointer in pointers:
                check_pointer(pointer)
            first = len(self.fields)
            self.fields.extend(pointers)
            self._parts.append(range(first, len(self.fields)))
        self._marked = missing == "marked"
        number, true = (b"\\n", b"\\b") if kinds == "distinct" else (b"", b"")
        self._marks = (b"\\a", b"\\z", true, number, b"", b"\\j", b"")
        # By the kinds of an event's values: which of its fields make up the key, and the marks of those, if any has one.
        self._plans: dict[bytes, tuple[list[int], list[bytes] | None]] = {}

    def key(self, event: Event) -> bytes:
        """The key of an event that was read with `fields`. Raises NoKey, which names the field that is missing."""
        first = event._first
        end = first + event.width
        kinds = event._kinds[first:end]
        places, marks = self._plans.get(kinds) or self._plan(kinds)
        data, starts = event._data, event._starts[first : end + 1]
        pieces = [data[starts[place] : starts[place + 1]] for place in places]
        if marks is None:
            # Escaped in one go, NUL standing for what separates the parts, unless a part has one itself.
            key = b"\0".join(pieces)
            if key.count(b"\0") == len(pieces) - 1:
                return _escaped(key).replace(b"\0", b":")
            return b":".join(map(_escaped, pieces))
        return b":".join([mark + _escaped(piece) for mark, piece in zip(marks, pieces)])

    def _plan(self, kinds: bytes) -> tuple[list[int], list[bytes] | None]:
        """Chooses for each part its first value that is neither absent nor null; where there is none a null, so that
        null beats absent."""
        places = []
        for part in self._parts:
            present = [field for field in part if kinds[field] > NULL]
            nulls = [field for field in part if kinds[field] == NULL]
            if not present and not self._marked:
                raise NoKey(f"{self.fields[part.start]} is absent or null")
            places.append((present or nulls or part)[0])
        marks = [self._marks[kinds[place]] for place in places]
        plan = (places, marks if any(marks) else None)
        if len(self._plans) < _PLANS_MAX:
            self._plans[kinds] = plan
        return plan


_PLANS_MAX: Final = 256


def tuple_key(*values: Value | str | bytes | int | None) -> bytes:
    """A key of several values, such as those that were worked out: no two different lists of values have one key. It is
    written as TupleKey does. A str stands as it is; an int is a number, True and False are booleans, None is null; a Value
    of the event has its own kind. A float has no one text: pass the event's own value, or a str that you have formatted."""
    return b":".join(map(_part, values)) if values else b"\\e"


_PART_MARKS: Final = (b"\\a", b"\\z", b"\\b", b"\\n", b"", b"\\j", b"")


def _part(value: Any) -> bytes:
    if isinstance(value, Value):
        return _PART_MARKS[value.kind] + _escaped(value.raw)
    if isinstance(value, (str, bytes, bytearray)):
        return _escaped(_key(value))
    if value is None:
        return b"\\z"
    if isinstance(value, bool):
        return b"\\btrue" if value else b"\\bfalse"
    if isinstance(value, int):
        return b"\\n%d" % value
    raise TypeError(f"{type(value).__name__} in a key has no one text: pass a str, bytes, int, bool, None or Value")


def _escaped(text: bytes) -> bytes:
    if b"\\" in text:
        text = text.replace(b"\\", b"\\\\")
    return text.replace(b":", b"\\:") if b":" in text else text


def check_pointer(pointer: str) -> None:
    """Checks that a text is a JSON pointer (RFC 6901). A ValueError says what is wrong and what would be right."""
    if not isinstance(pointer, str):
        raise ValueError(f"{pointer!r} is no JSON pointer: a pointer is a text, such as \"/id\"")
    if pointer and not pointer.startswith("/"):
        raise ValueError(f'"{pointer}" is no JSON pointer: write "/{pointer}"')
    if not all(after.startswith(("0", "1")) for after in pointer.split("~")[1:]):
        raise ValueError(f'"{pointer}" is no JSON pointer: write ~0 for ~ and ~1 for / in a name')


def split_pointers(config: str) -> list[str]:
    """Fields as people type them: JSON pointers with commas between, checked. None in an empty text."""
    pointers = [pointer.strip() for pointer in config.split(",")] if config.strip() else []
    for pointer in pointers:
        check_pointer(pointer)
    return pointers


def log(level: int, message: str) -> None:
    """Writes a line to the host's log, or to standard error where there is no host. The host keeps a bounded number of
    bytes a call."""
    if _host_log is None:
        print(f"level {level}: {message}", file=sys.stderr)
    else:
        _host_log.write(level, message)


_E = TypeVar("_E", bound="type[KeyExtractor]")
_S = TypeVar("_S", bound="type[SimilarityScorer]")


def key_extractor(extractor: _E) -> _E:
    """Makes a class the key extractor that this component exports."""
    _export(extractor, "KeyExtractor", _ExportedExtractor)
    return extractor


def similarity_scorer(scorer: _S) -> _S:
    """Makes a class the similarity scorer that this component exports."""
    _export(scorer, "SimilarityScorer", _ExportedScorer)
    return scorer


# From here on nothing is for authors.


def _export(plugin: Any, name: str, exported: type[_Exported]) -> None:
    # The component's exports are looked up by name in the module that is built.
    setattr(sys.modules[plugin.__module__], name, type(name, (exported,), {"plugin_class": plugin}))


def _values(column: Any) -> list[bytes]:
    data, ends = column.data, column.ends
    return [data[start:end] for start, end in zip([0, *ends], ends)]


class _Rows:
    """The rows of a batch of pairs, taken apart once for all of its pairs."""

    def __init__(self, pairs: Any) -> None:
        self.paths = _values(pairs.paths)
        self.original_kinds, self.duplicate_kinds = pairs.original_kinds, pairs.duplicate_kinds
        self.originals, self.duplicates = _values(pairs.originals), _values(pairs.duplicates)
        originals, duplicates = zip(self.original_kinds, self.originals), zip(self.duplicate_kinds, self.duplicates)
        self.same = [original == duplicate for original, duplicate in zip(originals, duplicates)]


class _Exported:
    """What both roles have in common. Errors of the author's code become failures in words: a trap would lose them."""

    plugin_class: Any
    _plugin: Any = None

    def describe(self) -> Any:
        return self.plugin_class.INFO

    def configure(self, config: str) -> Any:
        try:
            plugin = self.plugin_class()
            asked = plugin.configure(config)
            fields = Input_Payload() if isinstance(asked, Payload) else Input_Fields(_checked_fields(asked))
        except ValueError as refusal:
            raise _failure(str(refusal) or _words(refusal)) from None
        except Exception as error:
            raise _failure(_words(error)) from None
        type(self)._plugin = plugin  # Not self: each call of the host gets an object of its own.
        return fields

    def _configured(self) -> Any:
        if self._plugin is None:
            raise _failure("configure was not called before the first batch")
        return self._plugin


class _ExportedExtractor(_Exported):
    def extract(self, batch: Any) -> Any:
        key = self._configured().key
        data, starts, kinds, width = batch.values.data, [0, *batch.values.ends], batch.kinds, max(batch.width, 1)
        keys: list[bytes] = []
        lists: dict[int, list[bytes]] = {}
        status = bytearray(len(kinds) // width)
        notes = []
        event = Event(data, starts, kinds, 0, width)
        for index in range(len(status)):
            event._first = index * width
            said = None
            try:
                said = key(event)
            except NoKey as reason:
                status[index] = _NO_KEY
                notes.append(Note(index, str(reason)))
            except Invalid as reason:
                status[index] = _INVALID
                notes.append(Note(index, str(reason)))
            except Exception as error:
                raise _failure(_words(error)) from None
            if type(said) is bytes:
                keys.append(said)
                continue
            several = [] if said is None else [_key(one) for one in (said if isinstance(said, list) else [said])]
            if not several:
                status[index] = status[index] or _NO_KEY
            elif len(several) > 1:
                lists[index] = several
            keys.append(several[0] if several else b"")
        owners: list[int] = []
        if lists:  # Else there is one key an event, or none, and no need to say whose they are.
            of_each = [lists.get(index, [one]) if not status[index] else [] for index, one in enumerate(keys)]
            owners = [index for index, several in enumerate(of_each) for _ in several]
            keys = [one for several in of_each for one in several]
        return Extraction(Column(b"".join(keys), list(accumulate(map(len, keys)))), owners, bytes(status), notes)


class _ExportedScorer(_Exported):
    def compare(self, pairs: Any) -> Any:
        compare = self._configured().compare
        rows, start = _Rows(pairs), 0
        similarity, property_similarity, verdicts = [], [], bytearray()
        for end in pairs.ends:
            try:
                score = compare(Pair(rows, start, end))
                similarity.append(float(score.similarity))
                property_similarity.append(float(score.property_similarity))
                verdicts += bytes(score.verdicts)
            except Exception as error:
                raise _failure(_words(error)) from None
            if len(verdicts) > end:
                given = len(verdicts) - start
                raise _failure(f"the scorer gave {given} verdicts for {end - start} properties")
            verdicts += bytes([IGNORED]) * (end - len(verdicts))
            start = end
        return Comparisons(similarity, property_similarity, bytes(verdicts))


def _key(key: Any) -> bytes:
    if isinstance(key, str):
        # Half of a surrogate pair, which UTF-8 cannot hold, becomes bytes that no other text has.
        return key.encode(errors="surrogatepass")
    if isinstance(key, (bytes, bytearray)):
        return bytes(key)
    raise _failure(f"key returned {type(key).__name__}: a key is bytes or str, several are a list, none is None")


def _checked_fields(fields: Any) -> list[str]:
    if isinstance(fields, str) or not all(isinstance(field, str) for field in fields):
        raise TypeError("configure is to return a list of JSON pointers, or PAYLOAD")
    return list(fields)


def _failure(message: str) -> Exception:
    return Err(Failure(message))


def _words(error: BaseException) -> str:
    """The error with the line of the plugin where it came from, which nobody could see otherwise."""
    words = f"{type(error).__name__}: {error}"
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None:
        return words
    code = at.tb_frame.f_code
    return f"{words} ({code.co_filename.rpartition('/')[2]}, line {at.tb_lineno}, in {code.co_name})"
