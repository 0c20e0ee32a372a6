"""Two events are the same if they have the same address of mail, in either case."""

from dedup_plugin import STRING, Event, Info, NoKey, key_extractor


@key_extractor
class Email:
    INFO = Info(name="email", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        if config:
            raise ValueError(f"there is nothing to configure: {config}")
        return ["/email"]

    def key(self, event: Event) -> bytes:
        address = event.raw(0)
        local, _, domain = address.rpartition(b"@")
        if event.kind(0) != STRING or not local or not domain:
            raise NoKey("/email is no address")
        return address.lower()  # Of bytes: the letters A to Z, and no others.
