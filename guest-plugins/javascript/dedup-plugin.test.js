/** The SDK: what an author may return and throw, and what crosses to the host then. node --test */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BYTES, CHANGED, IGNORED, Invalid, NULL, NUMBER, NoKey, PAYLOAD, Refused, SAME, TupleKey, Value, exportKeyExtractor,
  exportSimilarityScorer, splitPointers, tupleKey,
} from "./dedup-plugin.js";
import { Harness } from "./dedup-plugin-testing.js";

const EVENTS = ['{"a": "x", "b": 1}', '{"a": null}', '{"a": "é", "b": [1, 2.0]}'];
const text = (bytes) => Buffer.from(bytes).toString();

function extractor(key, configure = () => ["/a", "/b"]) {
  class Plugin {
    static info = { name: "test", version: "1" };
    configure = configure;
    key = key;
  }
  return new Harness(exportKeyExtractor(Plugin));
}

function scorer(compare) {
  class Plugin {
    static info = { name: "test", version: "1" };
    configure = () => [""];
    compare = compare;
  }
  return new Harness(exportSimilarityScorer(Plugin));
}

function each(...answers) {
  return () => answers.shift();
}

test("bytes, a text and nothing", () => {
  const said = extractor(each(new Uint8Array([0x78]), "é😀", null)).keysOf(EVENTS);
  assert.deepEqual(said, [["x"], ["é😀"], { noKey: "" }]);
});

test("an empty key is a key", () => {
  assert.deepEqual(extractor(() => "").keysOf(EVENTS), [[""], [""], [""]]);
});

test("several keys and none in one batch", () => {
  assert.deepEqual(extractor(each(["1", "2"], [], "3")).keysOf(EVENTS), [["1", "2"], { noKey: "" }, ["3"]]);
  assert.deepEqual(extractor(each(["1", "2", "3"], ["4", "5"], ["6"])).keysOf(EVENTS), [["1", "2", "3"], ["4", "5"], ["6"]]);
});

test("no key at all is one empty value an event", () => {
  const answer = extractor(() => undefined).extract(EVENTS);
  assert.deepEqual([[...answer.keys.ends], answer.owners.length, [...answer.status]], [[0, 0, 0], 0, [1, 1, 1]]);
});

test("an empty batch", () => {
  const answer = extractor(() => "k").extract([]);
  assert.deepEqual([answer.keys.data.length, answer.keys.ends.length, answer.owners.length, answer.status.length], [0, 0, 0, 0]);
});

test("keys longer than the events", () => {
  const long = "é".repeat(5000);
  const said = extractor((event) => [long, event.raw(0), long]).keysOf(EVENTS);
  assert.deepEqual(said, [[long, "x", long], [long, "", long], [long, "é", long]]);
});

test("reasons come with their event", () => {
  const said = extractor((event) => {
    if (event.kind(0) === NULL) {
      throw new NoKey("it is null");
    }
    if (event.text(0) === "é") {
      throw new Invalid("not this letter");
    }
    return event.raw(0);
  }).keysOf(EVENTS);
  assert.deepEqual(said, [["x"], { noKey: "it is null" }, { invalid: "not this letter" }]);
});

test("an error of the author is a failure with its line", () => {
  assert.throws(() => extractor(() => null.x).keysOf(EVENTS), /^Error: TypeError: .*\(dedup-plugin\.test\.js:\d+\)$/);
});

test("what is no key", () => {
  assert.throws(() => extractor(() => 7).keysOf(EVENTS), /key returned number/);
});

test("the values of an event", () => {
  const seen = [];
  extractor((event) => {
    seen.push([event.kind(0), text(event.raw(0)), event.text(0), event.value(1).kind, event.value(1).text, event.width, event.values().length]);
    assert.throws(() => event.raw(2), RangeError);
    assert.throws(() => event.kind(-1), RangeError);
    return null;
  }).keysOf(EVENTS);
  assert.deepEqual(seen, [
    [4, "x", "x", 3, "1", 2, 2],
    [1, "", null, 0, "", 2, 2],
    [4, "é", "é", 5, "[1,2.0]", 2, 2],
  ]);
});

test("the payload", () => {
  const plugin = extractor((event) => event.raw(0), () => PAYLOAD);
  const payload = new Uint8Array([0xff, 0x7b]);
  assert.equal(plugin.fields, null);
  assert.deepEqual([...plugin.extract([payload]).keys.data], [0xff, 0x7b]);
});

test("what configure refuses and what it may return", () => {
  const refuse = () => {
    throw new Refused("give something else");
  };
  assert.throws(() => extractor(null, refuse), /^Error: give something else$/);
  for (const fields of ["/a", [1], null, undefined]) {
    assert.throws(() => extractor(null, () => fields), /TypeError: configure is to return/);
  }
});

test("a batch before configure", () => {
  const exported = exportKeyExtractor(class {});
  assert.throws(() => exported.extract(null), { message: "configure was not called before the first batch" });
});

test("pointers as people type them", () => {
  assert.deepEqual(splitPointers(" /a/b , /c,"), ["/a/b", "/c", ""]);
  assert.deepEqual(splitPointers("  "), []);
  assert.throws(() => splitPointers("a"), /write "\/a"/);
});

test("properties side by side", () => {
  const seen = [];
  const said = scorer((pair) => {
    for (const { pointer, original, duplicate, isSame } of pair) {
      seen.push([pointer, original.kind, original.text, duplicate.kind, duplicate.text, isSame]);
    }
    assert.deepEqual(pair.same(), seen.map((row) => row[5]));
    assert.deepEqual(pair.pointers(), seen.map((row) => row[0]));
    assert.equal(pair.length, 3);
    return { similarity: 1, propertySimilarity: 1, verdicts: [SAME] };
  }).compare('{"b": {"x/y": 1.0}, "é": null}', '{"b": {"x/y": 1}, "a": "1"}');
  assert.deepEqual(seen, [
    ["/a", 0, "", 4, "1", false],
    ["/b/x~1y", 3, "1", 3, "1", true],
    ["/é", 1, "", 0, "", false],
  ]);
  assert.deepEqual(said, { similarity: 1, propertySimilarity: 1, changed: [], same: ["/a"], ignored: ["/b/x~1y", "/é"] });
});

test("pairs of a batch keep to their own rows", () => {
  const row = (pointer, original, duplicate) => ({ pointer, original, duplicate });
  const value = (kind, value) => ({ kind, raw: Buffer.from(value) });
  const answer = scorer((pair) => ({
    similarity: pair.length,
    propertySimilarity: pair.same().filter(Boolean).length,
    verdicts: Array(Math.max(pair.length - 1, 0)).fill(CHANGED),
  })).compareRows([
    [row("/a", value(4, "1"), value(4, "1")), row("/b", value(4, "2"), value(4, ""))],
    [],
    [row("/c", value(4, "3"), value(3, "3"))],
  ]);
  assert.deepEqual([...answer.similarity, ...answer.propertySimilarity], [2, 0, 1, 1, 0, 0]);
  assert.deepEqual([...answer.verdicts], [CHANGED, IGNORED, IGNORED]);
});

test("more verdicts than properties", () => {
  const two = scorer(() => ({ similarity: 1, propertySimilarity: 1, verdicts: [SAME, SAME] }));
  assert.throws(() => two.compare('{"a": 1}', '{"a": 1}'), /2 verdicts for 1 properties/);
});

test("tuple keys in any order, several an event, with texts of every length around what is escaped", () => {
  const tuple = new TupleKey(["/a", "/b"], { missing: "marked" });
  const plugin = extractor((event) => [tuple.key(event), event.raw(0), tuple.key(event)], () => tuple.fields);
  const escaped = (part) => part.replaceAll("\\", "\\\\").replaceAll(":", "\\:");
  const parts = [];
  for (let length = 0; length < 24; length++) {
    parts.push("x".repeat(length) + ":", "\\" + "é".repeat(length), ":\\".repeat(length), "y".repeat(length));
  }
  const events = parts.map((part, index) => JSON.stringify({ a: part, b: parts[parts.length - 1 - index] }));
  plugin.keysOf(events).forEach((said, index) => {
    const key = `${escaped(parts[index])}:${escaped(parts[parts.length - 1 - index])}`;
    assert.deepEqual(said, [key, parts[index], key]);
  });
});

test("a payload that is no UTF-8 in a tuple", () => {
  const tuple = new TupleKey([""]);
  const plugin = extractor((event) => [tuple.key(event), tuple.key(event)], () => PAYLOAD);
  const said = plugin.extract([new Uint8Array([0xff, 0x3a, 0xfe])]);
  assert.deepEqual([...said.keys.data], [0xff, 0x5c, 0x3a, 0xfe, 0xff, 0x5c, 0x3a, 0xfe]);
});

test("words that a tuple does not know", () => {
  for (const options of [{ missing: "empty" }, { kinds: "all" }, { kinds: [] }]) {
    assert.throws(() => new TupleKey(["/a"], options), Refused);
  }
});

test("a key of values that were worked out", () => {
  const said = extractor((event) => [tupleKey("a:b", 17, true, null, undefined), tupleKey(event.value(0), event.value(1), 12n)]).keysOf(EVENTS);
  const first = "a\\:b:\\n17:\\btrue:\\z:\\a";
  assert.deepEqual(said, [[first, "x:\\n1:\\n12"], [first, "\\z:\\a:\\n12"], [first, "é:\\j[1,2.0]:\\n12"]]);
  assert.deepEqual([tupleKey(), tupleKey(""), tupleKey("", ""), tupleKey(new Value(NUMBER, "9.50"), -0)], ["\\e", "", ":", "\\n9.50:\\n0"]);
  assert.deepEqual([...tupleKey("é", new Uint8Array([0xff, 0x3a]), new Value(BYTES, new Uint8Array([0x5c])))], [0xc3, 0xa9, 0x3a, 0xff, 0x5c, 0x3a, 0x3a, 0x5c, 0x5c]);
});

test("what has no one text is no part of a key", () => {
  for (const value of [0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => tupleKey(value), /BigInt or a string/);
  }
  for (const value of [{}, [1], Symbol("s")]) {
    assert.throws(() => tupleKey(value), TypeError);
  }
});

test("no two lists of values have one key", () => {
  const values = ["", ":", "\\", "a", "a:", ":a", "\\:", "1", "\\n1", "\\z", "\\e", "true", 1, 2n, true, false, null, undefined,
    "\ud83d", "\ude00", "😀", "\ufffd", "a\ud83d", new Uint8Array([0xff]), new Uint8Array([0xfe, 0x3a])];
  const lists = [[], ...values.flatMap((one) => [[one], ...values.map((other) => [one, other])])];
  const said = extractor((event) => lists.map((list) => tupleKey(...list))).extract(EVENTS.slice(0, 1));
  const keys = Array.from(said.keys.ends, (end, at) => Buffer.from(said.keys.data.subarray(at === 0 ? 0 : said.keys.ends[at - 1], end)).toString("hex"));
  // 😀 is both of its halves.
  assert.equal(new Set(keys).size, lists.length);
});

test("texts that are no UTF-8 stay apart", () => {
  const said = extractor(each("\ud83d", "\ude00", "\ufffd")).extract(EVENTS);
  assert.equal(new Set([[0, 3], [3, 6], [6, 9]].map(([from, to]) => Buffer.from(said.keys.data.slice(from, to)).toString("hex"))).size, 3);
});

test("properties in any order, with texts beyond ASCII and bytes", () => {
  const seen = [];
  scorer((pair) => {
    const rows = [...pair];
    for (const row of rows.reverse()) {
      seen.push([row.pointer, row.original.text, text(row.duplicate.raw), row.original.isMissing]);
    }
    return { similarity: 1, propertySimilarity: 1 };
  }).compare('{"a": "é", "b": "x", "c": "😀"}', '{"a": "y", "b": "é", "d": "z"}');
  assert.deepEqual(seen, [["/d", "", "z", true], ["/c", "😀", "", false], ["/b", "x", "é", false], ["/a", "é", "y", false]]);
});

test("payloads that are no UTF-8 side by side", () => {
  const seen = [];
  const value = (...bytes) => ({ kind: BYTES, raw: new Uint8Array(bytes) });
  const row = (original, duplicate) => ({ pointer: "", original, duplicate });
  scorer((pair) => {
    for (const { original, duplicate, isSame } of pair) {
      seen.push([isSame, [...original.raw], [...duplicate.raw]]);
    }
    return { similarity: 1, propertySimilarity: 1 };
  }).compareRows([[row(value(0xff), value(0xff))], [row(value(0xff), value(0xfe))], [row(value(0x61), value(0xff))], [row(value(0xc3, 0xa9), value(0xc3, 0xa9))]]);
  assert.deepEqual(seen, [[true, [0xff], [0xff]], [false, [0xff], [0xfe]], [false, [0x61], [0xff]], [true, [0xc3, 0xa9], [0xc3, 0xa9]]]);
});

test("texts with the character that stands for what is no text", () => {
  const seen = [];
  scorer((pair) => {
    seen.push(...[...pair].map(({ original, duplicate }) => [original.text, duplicate.text]));
    return { similarity: 1, propertySimilarity: 1 };
  }).compare('{"a": "x\ufffdy", "b": "", "c": "1"}', '{"a": "x", "b": "\ufffd"}');
  assert.deepEqual(seen, [["x\ufffdy", "x"], ["", "\ufffd"], ["1", ""]]);
});
