"""Two events are the same if their URLs lead to the same place: without the fragment and a default port, and with scheme
and host in either case."""

import re

from dedup_plugin import STRING, Event, Info, NoKey, key_extractor

# Of bytes: in a str, `[a-z]` in either case takes letters beyond ASCII, too.
URL = re.compile(rb"(https?)://([a-z0-9.-]+)(:[0-9]*)?([/?][^#]*)?(#.*)?", re.IGNORECASE | re.DOTALL)
DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}


@key_extractor
class Url:
    INFO = Info(name="url", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        if config:
            raise ValueError(f"there is nothing to configure: {config}")
        return ["/url"]

    def key(self, event: Event) -> bytes:
        found = URL.fullmatch(event.raw(0))
        if event.kind(0) != STRING or not found:
            raise NoKey("/url is no URL of http or https")
        scheme, host, port, path, _ = [part or b"" for part in found.groups()]
        is_default = port in (b"", b":", DEFAULT_PORTS[scheme.lower()])
        return scheme.lower() + b"://" + host.lower() + (b"" if is_default else port) + path
