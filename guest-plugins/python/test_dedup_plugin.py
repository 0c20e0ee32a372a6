"""The SDK: what an author may return and raise, and what crosses to the host then. python3 -m unittest"""

import unittest

import dedup_plugin
from dedup_plugin import (
    BYTES, CHANGED, IGNORED, NUMBER, PAYLOAD, SAME, Err, Event, Info, Invalid, NoKey, Pair, Score, TupleKey, Value, tuple_key,
)
from dedup_plugin_testing import Harness, check_golden
import dedup_plugin_testing as testing


def extractor(key, fields=("/a", "/b"), configure=None):
    class Plugin:
        INFO = Info("test", "1")

        def configure(self, config):
            return configure(config) if configure else list(fields)

    Plugin.key = lambda self, event: key(event)
    return dedup_plugin.key_extractor(Plugin)


def scorer(compare):
    class Plugin:
        INFO = Info("test", "1")

        def configure(self, config):
            return [""]

    Plugin.compare = lambda self, pair: compare(pair)
    return dedup_plugin.similarity_scorer(Plugin)


EVENTS = ['{"a": "x", "b": 1}', '{"a": null}', '{"a": "é", "b": [1, 2.0]}']


class WhatKeyReturns(unittest.TestCase):
    def said(self, key, events=EVENTS, fields=("/a", "/b")):
        return Harness(extractor(key, fields)).keys_of(events)

    def test_bytes_text_nothing(self):
        answers = iter([b"x\xff", "é", None])
        self.assertEqual(self.said(lambda event: next(answers)), [[b"x\xff"], ["é".encode()], testing.NoKey("")])

    def test_an_empty_key_is_a_key(self):
        self.assertEqual(self.said(lambda event: b""), [[b""]] * 3)

    def test_several_keys_and_none_in_one_batch(self):
        answers = iter([["1", b"2"], [], "3"])
        self.assertEqual(self.said(lambda event: next(answers)), [[b"1", b"2"], testing.NoKey(""), [b"3"]])

    def test_one_key_in_a_list_needs_no_owners(self):
        plugin = Harness(extractor(lambda event: [b"k"]))
        self.assertEqual(plugin.extract(EVENTS).owners, [])

    def test_no_key_at_all_is_one_empty_value_an_event(self):
        answer = Harness(extractor(lambda event: None)).extract(EVENTS)
        self.assertEqual((answer.keys.ends, answer.owners, answer.status), ([0, 0, 0], [], b"\1\1\1"))

    def test_an_empty_batch(self):
        answer = Harness(extractor(lambda event: b"k")).extract([])
        self.assertEqual((answer.keys.data, answer.keys.ends, answer.owners, answer.status), (b"", [], [], b""))

    def test_reasons_come_with_their_event(self):
        def key(event):
            if event.kind(0) == dedup_plugin.NULL:
                raise NoKey("it is null")
            if event.text(0) == "é":
                raise Invalid("not this letter")
            return event.raw(0)

        self.assertEqual(self.said(key), [[b"x"], testing.NoKey("it is null"), testing.Invalid("not this letter")])

    def test_an_error_of_the_author_is_a_failure_with_its_line(self):
        with self.assertRaises(Err) as failed:
            self.said(lambda event: {}["nothing"])
        self.assertRegex(failed.exception.value.message, r"^KeyError: 'nothing' \(test_dedup_plugin.py, line \d+, in ")

    def test_what_is_no_key(self):
        with self.assertRaises(Err) as failed:
            self.said(lambda event: 7)
        self.assertIn("key returned int", failed.exception.value.message)


class WhatAnEventHas(unittest.TestCase):
    def test_values(self):
        seen = []
        fields = ("/a", "/b", "/c")

        def key(event):
            seen.append([event.kind(0), event.raw(0), event.text(0), event.value(1), event.width, len(event.values())])
            with self.assertRaises(IndexError):
                event.raw(3)
            with self.assertRaises(IndexError):
                event.kind(-1)
            return None

        Harness(extractor(key, fields)).keys_of(EVENTS)
        self.assertEqual(seen[0], [4, b"x", "x", (3, b"1"), 3, 3])
        self.assertEqual(seen[1][:4], [1, b"", None, (0, b"")])
        self.assertEqual(seen[2][2:4], ["é", (5, b"[1,2.0]")])

    def test_the_payload(self):
        plugin = Harness(extractor(lambda event: event.raw(0), configure=lambda config: PAYLOAD))
        self.assertEqual((plugin.fields, plugin.keys(b"\xff{")), (None, [b"\xff{"]))


class WhatConfigureDoes(unittest.TestCase):
    def test_a_value_error_is_a_refusal_in_its_own_words(self):
        def configure(config):
            raise ValueError("give something else")

        with self.assertRaisesRegex(ValueError, "^give something else$"):
            Harness(extractor(None, configure=configure))

    def test_fields_that_are_none(self):
        for fields in ("/a", [1], None):
            with self.assertRaisesRegex(ValueError, "TypeError"):
                Harness(extractor(None, configure=lambda config: fields))

    def test_a_batch_before_configure(self):
        plugin = type("Fresh", (dedup_plugin._ExportedExtractor,), {"plugin_class": None})()
        with self.assertRaises(Err) as failed:
            plugin.extract(None)
        self.assertIn("configure was not called", failed.exception.value.message)

    def test_pointers_as_people_type_them(self):
        self.assertEqual(dedup_plugin.split_pointers(" /a/b , /c,"), ["/a/b", "/c", ""])
        self.assertEqual(dedup_plugin.split_pointers("  "), [])
        with self.assertRaisesRegex(ValueError, 'write "/a"'):
            dedup_plugin.split_pointers("a")


class WhatCompareSees(unittest.TestCase):
    def test_properties_side_by_side(self):
        seen = []

        def compare(pair):
            seen.extend((row.pointer, row.original, row.duplicate, row.is_same()) for row in pair)
            self.assertEqual((pair.same(), len(pair)), ([row[3] for row in seen], len(seen)))
            return Score(1, 1, [SAME])

        said = Harness(scorer(compare)).compare('{"b": {"x/y": 1.0}, "é": null}', '{"b": {"x/y": 1}, "a": "1"}')
        self.assertEqual(seen, [
            ("/a", (0, b""), (4, b"1"), False), ("/b/x~1y", (3, b"1"), (3, b"1"), True), ("/é", (1, b""), (0, b""), False),
        ])
        self.assertEqual(said, (1.0, 1.0, [], ["/a"], ["/b/x~1y", "/é"]))

    def test_pairs_of_a_batch_keep_to_their_own_rows(self):
        plugin = Harness(scorer(lambda pair: Score(len(pair), sum(pair.same()), [CHANGED] * (len(pair) - 1))))
        column = testing._column
        answer = plugin._exported.compare(testing.Pairs(
            [2, 2, 3], column([b"/a", b"/b", b"/c"]), b"\4\4\4", column([b"1", b"2", b"3"]), b"\4\4\3", column([b"1", b"", b"3"])
        ))
        self.assertEqual((answer.similarity, answer.property_similarity), ([2.0, 0.0, 1.0], [1.0, 0.0, 0.0]))
        self.assertEqual(answer.verdicts, bytes([CHANGED, IGNORED, IGNORED]))

    def test_more_verdicts_than_properties(self):
        with self.assertRaises(Err) as failed:
            Harness(scorer(lambda pair: Score(1, 1, [SAME, SAME]))).compare('{"a": 1}', '{"a": 1}')
        self.assertIn("2 verdicts for 1 properties", failed.exception.value.message)

    def test_an_error_of_the_author_is_a_failure_with_its_line(self):
        with self.assertRaises(Err) as failed:
            Harness(scorer(lambda pair: 1 / 0)).compare("{}", "{}")
        self.assertRegex(failed.exception.value.message, r"^ZeroDivisionError: .*line \d+")


class TupleKeys(unittest.TestCase):
    def test_two_tuples_in_one_plugin_read_the_same_event(self):
        both = TupleKey(["/a", "/b"], missing="marked")
        said = Harness(extractor(lambda event: [both.key(event), event.raw(0)], both.fields)).keys_of(EVENTS)
        self.assertEqual(said[0], [b"x:\\n1", b"x"])
        self.assertEqual(said[1], [b"\\z:\\a", b""])

    def test_words_that_it_does_not_know(self):
        for options in ({"missing": "empty"}, {"kinds": "all"}, {"kinds": []}):
            with self.assertRaises(ValueError):
                TupleKey(["/a"], **options)


class KeysOfAnyValues(unittest.TestCase):
    def test_values_that_were_worked_out(self):
        key = tuple_key("a:b", 17, True, False, None, Value(NUMBER, b"9.50"))
        self.assertEqual(key, b"a\\:b:\\n17:\\btrue:\\bfalse:\\z:\\n9.50")
        said = Harness(extractor(lambda event: tuple_key(event.value(0), event.value(1), "é"))).keys_of(EVENTS)
        self.assertEqual(said, [[b"x:\\n1:\xc3\xa9"], [b"\\z:\\a:\xc3\xa9"], [b"\xc3\xa9:\\j[1,2.0]:\xc3\xa9"]])
        self.assertEqual([tuple_key(), tuple_key(""), tuple_key("", "")], [b"\\e", b"", b":"])

    def test_what_has_no_one_text(self):
        for value in (0.5, [1], {}):
            with self.assertRaisesRegex(TypeError, "has no one text"):
                tuple_key(value)

    def test_no_two_lists_of_values_have_one_key(self):
        values = ["", ":", "\\", "a", "a:", ":a", "\\:", "1", "\\n1", "\\z", "\\e", "true", 1, 2, True, None, b"\xff",
                  "\ud83d", "\ude00", "\ufffd", Value(BYTES, b"\xfe:")]
        lists = [[]] + [[one] for one in values] + [[one, other] for one in values for other in values]
        self.assertEqual(len({tuple_key(*one) for one in lists}), len(lists))

    def test_a_text_that_is_no_utf_8_is_a_key_of_its_own(self):
        answers = iter(["\ud83d", "\ude00", "\ufffd"])
        said = Harness(extractor(lambda event: next(answers))).keys_of(EVENTS)
        self.assertEqual(len({key for keys in said for key in keys}), 3)


if __name__ == "__main__":
    unittest.main()
