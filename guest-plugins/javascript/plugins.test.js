/** The two plugins of this directory against the golden vectors of all languages: node --test */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { keyExtractor as compositeKey } from "./composite_key.js";
import { Harness, checkGolden } from "./dedup-plugin-testing.js";
import { similarityScorer as sameShare } from "./same_share.js";

const golden = (name) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));

for (const [name, plugin] of [
  ["composite_key.json", compositeKey],
  ["composite_key_json_config.json", compositeKey],
  ["same_share.json", sameShare],
]) {
  test(`golden vectors: ${name}`, () => {
    assert.ok(checkGolden(plugin, golden(name)) >= 25);
  });
}

test("an answer that is not the golden one is told", () => {
  const directory = mkdtempSync(join(tmpdir(), "golden-"));
  try {
    for (const [name, plugin, right, wrong] of [
      ["composite_key.json", compositeKey, '"2024-01-01:user-1', '"2024-01-01:user-2'],
      ["same_share.json", sameShare, '"similarity": 0.75', '"similarity": 0.5'],
    ]) {
      const text = readFileSync(golden(name), "utf8");
      assert.ok(text.includes(right));
      writeFileSync(join(directory, name), text.replace(right, wrong));
      assert.throws(() => checkGolden(plugin, join(directory, name)), /wanted .*, got /);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

for (const [config, words] of [
  ['{"feilds": ["/a"]}', "unknown field `feilds`"],
  ['{"on_missing": "drop"}', '"drop"'],
  ['{"on_missing": ["no-key"]}', "on_missing is"],
  ['{"on_missing": null}', "on_missing is"],
  ['{"kinds": "none"}', '"none"'],
  ['{"kinds": 1}', "kinds is"],
  ['{"fields": [1]}', "each of the fields is a JSON pointer"],
  ['{"fields": "/a"}', "each of the fields is a JSON pointer"],
  ['{"fields": null}', "each of the fields is a JSON pointer"],
  ["actor/login", 'write "/actor/login"'],
  ["/a~b", "~0 for ~"],
  ["[]", "list of fields is empty"],
  ["[[]]", "alternative fields is empty"],
  ["{", "JSON"],
]) {
  test(`composite_key refuses ${config}`, () => {
    assert.throws(() => new Harness(compositeKey, config), (error) => error.message.includes(words));
  });
}

test("keys of a batch keep to their events", () => {
  const said = new Harness(compositeKey, "/x").keysOf(['{"x": "a"}', "{}", '{"x": "b:"}']);
  assert.deepEqual(said, [["a"], { noKey: "/x is absent or null" }, ["b\\:"]]);
});

test("no two tuples meet in one key", () => {
  const texts = ['""', '":"', '"\\\\"', '"a"', '"a:"', '":a"', '"\\\\:"', '":\\\\"', '"1"', "1", '"\\\\n1"', '"\\\\z"', "null",
    '"z"', "true", '"true"', "{}", '"{}"', `"${"::::::::".repeat(3)}"`, `"${"é:\\\\".repeat(9)}"`];
  const plugin = new Harness(compositeKey, '{"fields": ["/a", "/b"], "on_missing": "empty"}');
  const events = texts.flatMap((a) => [...texts.map((b) => `{"a": ${a}, "b": ${b}}`), `{"a": ${a}}`]);
  const keys = plugin.keysOf(events).map(([key]) => key);
  assert.equal(new Set(keys).size, events.length);
});
