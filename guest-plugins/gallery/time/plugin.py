"""Two events of one device are the same if they are of the same millisecond, however their times are written."""

import re
from datetime import datetime, timedelta, timezone

from dedup_plugin import Event, Info, NoKey, key_extractor, tuple_key

TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@key_extractor
class Time:
    INFO = Info(name="time", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        if config:
            raise ValueError(f"there is nothing to configure: {config}")
        return ["/time", "/device"]

    def key(self, event: Event) -> bytes:
        if event.value(1).is_missing:
            raise NoKey("/device is absent or null")
        text = event.text(0) or ""
        try:
            time = datetime.fromisoformat(text if TIME.fullmatch(text) else "")
        except ValueError:
            raise NoKey("/time is no time") from None
        return tuple_key((time - EPOCH) // timedelta(milliseconds=1), event.value(1))
