// Unit tests of the plugin, on this machine and without wasm: node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness, checkGolden } from "./dedup-plugin-testing.js";
import { keyExtractor } from "./plugin.js";

test("shop and order make the key", () => {
  const plugin = new Harness(keyExtractor);
  assert.deepEqual(plugin.fields, ["/shop", "/order/id"]);
  assert.deepEqual(plugin.keys('{"shop": "north", "order": {"id": "A-17"}}'), ["north:A-17"]);
  assert.deepEqual(plugin.keys('{"shop": "north", "order": {"id": 17}}'), ["north:\\n17"]);
});

test("no order, no key", () => {
  assert.deepEqual(new Harness(keyExtractor).keys('{"shop": "north"}'), { noKey: "/order/id is absent or null" });
});

test("what is no configuration", () => {
  assert.throws(() => new Harness(keyExtractor, "shop"), /write "\/shop"/);
  assert.throws(() => new Harness(keyExtractor, '{"feilds": 1}'), /feilds/);
});

test("golden cases", () => {
  checkGolden(keyExtractor, "golden.json");
});
