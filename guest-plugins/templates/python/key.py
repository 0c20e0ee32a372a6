"""The plugin `{{name}}`: two events are the same if they are about the same order of the same shop.

Configuration: nothing, or other fields than these, JSON pointers with commas between.
"""

from dedup_plugin import Event, Info, TupleKey, key_extractor, split_pointers

FIELDS = ["/shop", "/order/id"]


@key_extractor
class Extractor:
    # Raise the key version when the same events get other keys than before.
    INFO = Info(name="{{name}}", version="0.1.0", key_version=1)

    # Called once, with what the operator gave as --plugin-config. It returns what the host is to read of each event. A
    # ValueError refuses the text; split_pointers raises one for what is no JSON pointer.
    def configure(self, config: str) -> list[str]:
        self.tuple = TupleKey(split_pointers(config) or FIELDS)
        return self.tuple.fields

    # Called for each event. `event.text(0)` is the first field, None where it is absent or null; `event.value(0)` has
    # its kind, too. It returns the key, str or bytes; here the tuple makes one that no other values have, and raises
    # NoKey, with the reason, where a field is missing.
    def key(self, event: Event) -> bytes:
        return self.tuple.key(event)
