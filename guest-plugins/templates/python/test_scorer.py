"""Unit tests of the plugin, on this machine and without wasm: python3 -m unittest"""

import unittest

from dedup_plugin_testing import Harness, check_golden
from plugin import SameShare


class TheShareOfWhatIsTheSame(unittest.TestCase):
    def test_one_of_two(self) -> None:
        said = Harness(SameShare).compare('{"a": 1, "b": 2}', '{"a": 1, "b": 3}')
        self.assertEqual((said.similarity, said.changed, said.same), (0.5, ["/b"], ["/a"]))

    def test_only_the_places_that_are_named(self) -> None:
        said = Harness(SameShare, "/a").compare('{"a": 1, "b": 2}', '{"a": 1, "b": 3}')
        self.assertEqual((said.similarity, said.same), (1.0, ["/a"]))

    def test_what_is_no_configuration(self) -> None:
        with self.assertRaisesRegex(ValueError, 'write "/event"'):
            Harness(SameShare, "event")

    def test_golden_cases(self) -> None:
        check_golden(SameShare, "golden.json")
