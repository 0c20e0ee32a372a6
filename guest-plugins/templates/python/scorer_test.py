"""Unit tests of the plugin, on this machine and without wasm: python3 -m unittest plugin_test"""

import unittest

from plugin import SameShare, share


class ConfigurationAndShares(unittest.TestCase):
    def test_no_configuration_is_the_whole_event(self) -> None:
        self.assertEqual(SameShare().configure(" "), [""])
        self.assertEqual(SameShare().configure("/a, /b"), ["/a", "/b"])

    def test_what_is_no_configuration(self) -> None:
        with self.assertRaisesRegex(ValueError, 'write "/event"'):
            SameShare().configure("event")

    def test_nothing_to_compare_is_alike(self) -> None:
        self.assertEqual((share([]), share([True, False])), (1.0, 0.5))
