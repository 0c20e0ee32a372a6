"""Two events are the same if they have the same tags, in any order."""

import json
import re

from dedup_plugin import JSON, Event, Info, NoKey, key_extractor, tuple_key

# An array of texts and nothing else: of what is nested very deeply, `json.loads` runs out of stack.
TEXTS = re.compile(rb'\[\s*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[\s,]*+)*+\]', re.DOTALL)


@key_extractor
class Tags:
    INFO = Info(name="tags", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        if config:
            raise ValueError(f"there is nothing to configure: {config}")
        return ["/tags"]

    def key(self, event: Event) -> bytes:
        if event.kind(0) != JSON or not TEXTS.fullmatch(event.raw(0)):
            raise NoKey("/tags is no array of texts")
        return tuple_key(*sorted(json.loads(event.raw(0))))
