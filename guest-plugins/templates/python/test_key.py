"""Unit tests of the plugin, on this machine and without wasm: python3 -m unittest"""

import unittest

from dedup_plugin_testing import Harness, NoKey, check_golden
from plugin import Extractor


class TheOrderOfAShop(unittest.TestCase):
    def test_shop_and_order_make_the_key(self) -> None:
        plugin = Harness(Extractor)
        self.assertEqual(plugin.fields, ["/shop", "/order/id"])
        self.assertEqual(plugin.keys('{"shop": "north", "order": {"id": "A-17"}}'), [b"north:A-17"])
        self.assertEqual(plugin.keys('{"shop": "north", "order": {"id": 17}}'), [b"north:\\n17"])

    def test_no_order_no_key(self) -> None:
        self.assertEqual(Harness(Extractor).keys('{"shop": "north"}'), NoKey("/order/id is absent or null"))

    def test_what_is_no_configuration(self) -> None:
        for config, words in [("shop", 'write "/shop"'), ('{"feilds": 1}', "feilds")]:
            with self.assertRaisesRegex(ValueError, words):
                Harness(Extractor, config)

    def test_golden_cases(self) -> None:
        check_golden(Extractor, "golden.json")
