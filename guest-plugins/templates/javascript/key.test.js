// Unit tests of the plugin, on this machine and without wasm: node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { ABSENT, NUMBER, STRING } from "./dedup-plugin.js";
import { keyExtractor } from "./plugin.js";

/** What the plugin says of an event with these values, in the order in which they are asked for. */
function said(...values) {
  const texts = values.map(([, text]) => Buffer.from(text));
  let end = 0;
  const batch = {
    width: values.length,
    values: { data: Uint8Array.from(Buffer.concat(texts)), ends: Uint32Array.from(texts, (text) => (end += text.length)) },
    kinds: Uint8Array.from(values, ([kind]) => kind),
  };
  const { keys, status, notes } = keyExtractor.extract(batch);
  return status[0] === 0 ? Buffer.from(keys.data).toString() : notes[0].message;
}

test("shop and order make the key", () => {
  assert.deepEqual(keyExtractor.configure("").val, ["/shop", "/order/id"]);
  assert.equal(said([STRING, "north"], [STRING, "A-17"]), "north:A-17");
  assert.equal(said([STRING, "north"], [NUMBER, "17"]), "north:\\n17");
});

test("no order, no key", () => {
  keyExtractor.configure("");
  assert.equal(said([STRING, "north"], [ABSENT, ""]), "/order/id is absent or null");
});

test("what is no configuration", () => {
  assert.throws(() => keyExtractor.configure("shop"), { message: /write "\/shop"/ });
  assert.throws(() => keyExtractor.configure('{"feilds": 1}'), { message: /feilds/ });
});
