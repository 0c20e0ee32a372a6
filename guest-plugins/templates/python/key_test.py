"""Unit tests of the plugin, on this machine and without wasm: python3 -m unittest plugin_test"""

import unittest
from itertools import accumulate

from dedup_plugin import ABSENT, NUMBER, STRING, Event, NoKey
from plugin import Extractor


def event(*values: tuple[int, bytes]) -> Event:
    """An event with these values, in the order in which they are asked for."""
    kinds, texts = zip(*values)
    return Event(b"".join(texts), [0, *accumulate(map(len, texts))], bytes(kinds), 0, len(values))


class TheOrderOfAShop(unittest.TestCase):
    def setUp(self) -> None:
        self.plugin = Extractor()
        self.fields = self.plugin.configure("")

    def test_shop_and_order_make_the_key(self) -> None:
        self.assertEqual(self.fields, ["/shop", "/order/id"])
        self.assertEqual(self.plugin.key(event((STRING, b"north"), (STRING, b"A-17"))), b"north:A-17")
        self.assertEqual(self.plugin.key(event((STRING, b"north"), (NUMBER, b"17"))), b"north:\\n17")

    def test_no_order_no_key(self) -> None:
        with self.assertRaisesRegex(NoKey, "/order/id is absent or null"):
            self.plugin.key(event((STRING, b"north"), (ABSENT, b"")))

    def test_what_is_no_configuration(self) -> None:
        for config, words in [("shop", 'write "/shop"'), ('{"feilds": 1}', "feilds")]:
            with self.assertRaisesRegex(ValueError, words):
                Extractor().configure(config)
