"""Two events are the same if they are of the same thousandth of a degree, which is about a hundred metres."""

from math import floor

from dedup_plugin import NUMBER, Event, Info, NoKey, Value, key_extractor, tuple_key


@key_extractor
class Geo:
    INFO = Info(name="geo", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        if config:
            raise ValueError(f"there is nothing to configure: {config}")
        return ["/lat", "/lon"]

    def key(self, event: Event) -> bytes:
        return tuple_key(cell(event.value(0), 90), cell(event.value(1), 180))


def cell(value: Value, most: int) -> int:
    degrees = float(value.text) if value.kind == NUMBER else most + 1
    if abs(degrees) > most:
        raise NoKey("/lat and /lon are no place")
    return floor(degrees * 1000)
