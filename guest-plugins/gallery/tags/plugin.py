"""Two events are the same if they have the same tags, in any order."""

import json

from dedup_plugin import JSON, Event, Info, NoKey, key_extractor, tuple_key


@key_extractor
class Tags:
    INFO = Info(name="tags", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        if config:
            raise ValueError(f"there is nothing to configure: {config}")
        return ["/tags"]

    def key(self, event: Event) -> bytes:
        # An array comes as JSON. As an int, a number of thousands of digits would be an error; it is refused as any other.
        try:
            tags = json.loads(event.raw(0) if event.kind(0) == JSON else b"null", parse_int=float)
        except RecursionError:
            tags = None
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise NoKey("/tags is no array of texts")
        return tuple_key(*sorted(tags))
