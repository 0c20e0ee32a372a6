"""The plugin `composite_key` in Python: two events are the same if they agree in every one of a list of fields. It takes
the same configurations and gives the same keys as guest-plugins/composite_key, which tells what they are.
"""

from __future__ import annotations

import json
from typing import Any

from dedup_plugin import Event, Info, TupleKey, key_extractor, split_pointers

DEFAULT_FIELDS = ["/timestamp", "/distinct_id", "/token", ["/event", "/event_name"]]
ON_MISSING = {"no-key": "no-key", "empty": "marked"}


@key_extractor
class CompositeKey:
    INFO = Info(name="composite_key", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        read = read_config(config.strip())
        on_missing, kinds = read.get("on_missing", "no-key"), read.get("kinds", "distinct")
        if not isinstance(on_missing, str) or on_missing not in ON_MISSING:
            raise ValueError(f"on_missing is {json.dumps(on_missing)}: it can be \"no-key\" or \"empty\"")
        self.tuple = TupleKey(read.get("fields", DEFAULT_FIELDS), missing=ON_MISSING[on_missing], kinds=kinds)
        self.key = self.tuple.key
        return self.tuple.fields

    def key(self, event: Event) -> bytes:
        return self.tuple.key(event)


def read_config(config: str) -> dict[str, Any]:
    if not config:
        return {}
    if config[0] not in "[{":
        return {"fields": split_pointers(config)}
    read = json.loads(config, object_pairs_hook=members_named_once)
    read = read if isinstance(read, dict) else {"fields": read}
    for name in read:
        if name not in ("fields", "on_missing", "kinds"):
            raise ValueError(f"unknown field `{name}`, expected one of `fields`, `on_missing`, `kinds`")
    fields = read.get("fields", [])
    parts = [part if isinstance(part, list) else [part] for part in fields] if isinstance(fields, list) else [[None]]
    if not all(isinstance(pointer, str) for part in parts for pointer in part):
        raise ValueError("each of the fields is a JSON pointer, or a list of JSON pointers")
    return read


def members_named_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(members)
    if len(read) < len(members):
        raise ValueError("a member stands twice in the configuration")
    return read
