"""The two plugins of this directory against the golden vectors of all languages: python3 -m unittest"""

import tempfile
import unittest
from pathlib import Path

from composite_key import CompositeKey
from dedup_plugin_testing import Harness, NoKey, check_golden
from same_share import SameShare

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


class GoldenVectors(unittest.TestCase):
    def test_composite_key(self):
        self.assertGreaterEqual(check_golden(CompositeKey, GOLDEN / "composite_key.json"), 25)

    def test_composite_key_with_json_configurations(self):
        self.assertGreaterEqual(check_golden(CompositeKey, GOLDEN / "composite_key_json_config.json"), 25)

    def test_same_share(self):
        self.assertGreaterEqual(check_golden(SameShare, GOLDEN / "same_share.json"), 25)

    def test_an_answer_that_is_not_the_golden_one_is_told(self):
        for name, plugin, right, wrong in [
            ("composite_key.json", CompositeKey, '"2024-01-01:user-1', '"2024-01-01:user-2'),
            ("same_share.json", SameShare, '"similarity": 0.75', '"similarity": 0.5'),
        ]:
            text = (GOLDEN / name).read_text(encoding="utf-8")
            with tempfile.TemporaryDirectory() as directory:
                file = Path(directory) / name
                file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
                self.assertIn(right, text)
                with self.assertRaisesRegex(AssertionError, "wanted .*, got "):
                    check_golden(plugin, file)


class CompositeKeyRefuses(unittest.TestCase):
    def refusal(self, config):
        with self.assertRaises(ValueError) as refused:
            Harness(CompositeKey, config)
        return str(refused.exception)

    def test_what_is_wrong_is_named(self):
        for config, words in [
            ('{"feilds": ["/a"]}', "unknown field `feilds`"),
            ('{"on_missing": "drop"}', '"drop"'),
            ('{"on_missing": ["no-key"]}', "on_missing is"),
            ('{"kinds": "none"}', '"none"'),
            ('{"kinds": 1}', "kinds is"),
            ('{"fields": [1]}', "each of the fields is a JSON pointer"),
            ('{"fields": "/a"}', "each of the fields is a JSON pointer"),
            ('{"fields": null}', "each of the fields is a JSON pointer"),
            ('{"fields": ["/a"], "fields": ["/b"]}', "twice"),
            ("actor/login", 'write "/actor/login"'),
            ("/a~b", "~0 for ~"),
            ("[]", "list of fields is empty"),
            ("[[]]", "alternative fields is empty"),
            ("{", "Expecting"),
        ]:
            with self.subTest(config):
                self.assertIn(words, self.refusal(config))


class CompositeKeyBatches(unittest.TestCase):
    def test_keys_keep_to_their_events(self):
        said = Harness(CompositeKey, "/x").keys_of(['{"x": "a"}', "{}", '{"x": "b:"}'])
        self.assertEqual(said, [[b"a"], NoKey("/x is absent or null"), [b"b\\:"]])

    def test_no_two_tuples_meet(self):
        texts = ['""', '":"', '"\\\\"', '"a"', '"a:"', '":a"', '"\\\\:"', '":\\\\"', '"1"', "1", '"\\\\n1"', '"\\\\z"', "null",
                 '"z"', "true", '"true"', "{}", '"{}"', '"\\u0000"', '"\\u0000:"', '":\\u0000"']
        plugin = Harness(CompositeKey, '{"fields": ["/a", "/b"], "on_missing": "empty"}')
        events = [f'{{"a": {a}, "b": {b}}}' for a in texts for b in texts] + [f'{{"a": {a}}}' for a in texts]
        keys = [tuple(said) for said in plugin.keys_of(events)]
        self.assertEqual(len(set(keys)), len(events))


if __name__ == "__main__":
    unittest.main()
