"""Two payments are the same if they have one reference and one amount of one currency: `9.50 eur` is `9.5 EUR`."""

import re

from dedup_plugin import NUMBER, STRING, Event, Info, NoKey, Value, key_extractor, tuple_key

# By its digits: no float holds every amount.
AMOUNT = re.compile(rb"(-?(?:0|[1-9][0-9]*))(?:\.[0-9]+)?")


@key_extractor
class Money:
    INFO = Info(name="money", version="0.1.0", key_version=1)

    def configure(self, config: str) -> list[str]:
        if config:
            raise ValueError(f"there is nothing to configure: {config}")
        return ["/reference", "/amount", "/currency"]

    def key(self, event: Event) -> bytes:
        reference, amount, currency = event.values()
        if reference.is_missing:
            raise NoKey("/reference is absent or null")
        if amount.kind != STRING or not AMOUNT.fullmatch(amount.raw):
            raise NoKey('/amount is no text of digits, such as "9.50"')
        if currency.kind != STRING or not re.fullmatch(rb"[A-Za-z]{3}", currency.raw):
            raise NoKey('/currency is none, such as "EUR"')
        plain = amount.raw.rstrip(b"0").rstrip(b".") if b"." in amount.raw else amount.raw
        return tuple_key(reference, Value(NUMBER, plain), currency.raw.upper())
