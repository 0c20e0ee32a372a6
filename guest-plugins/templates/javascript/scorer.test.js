// Unit tests of the plugin, on this machine and without wasm: node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness, checkGolden } from "./dedup-plugin-testing.js";
import { similarityScorer } from "./plugin.js";

test("one of two", () => {
  const said = new Harness(similarityScorer).compare('{"a": 1, "b": 2}', '{"a": 1, "b": 3}');
  assert.deepEqual([said.similarity, said.changed, said.same], [0.5, ["/b"], ["/a"]]);
});

test("only the places that are named", () => {
  const said = new Harness(similarityScorer, "/a").compare('{"a": 1, "b": 2}', '{"a": 1, "b": 3}');
  assert.deepEqual([said.similarity, said.same], [1, ["/a"]]);
});

test("what is no configuration", () => {
  assert.throws(() => new Harness(similarityScorer, "event"), /write "\/event"/);
});

test("golden cases", () => {
  checkGolden(similarityScorer, "golden.json");
});
