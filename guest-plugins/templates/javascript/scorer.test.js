// Unit tests of the plugin, on this machine and without wasm: node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { CHANGED, NUMBER, SAME } from "./dedup-plugin.js";
import { similarityScorer } from "./plugin.js";

/** What the plugin says of a pair with these rows: place, the original's number there, the duplicate's. */
function said(...rows) {
  const column = (at) => {
    const texts = rows.map((row) => Buffer.from(row[at]));
    let end = 0;
    return { data: Uint8Array.from(Buffer.concat(texts)), ends: Uint32Array.from(texts, (text) => (end += text.length)) };
  };
  const kinds = () => new Uint8Array(rows.length).fill(NUMBER);
  const { similarity, propertySimilarity, verdicts } = similarityScorer.compare({
    ends: Uint32Array.of(rows.length),
    paths: column(0),
    originalKinds: kinds(),
    originals: column(1),
    duplicateKinds: kinds(),
    duplicates: column(2),
  });
  return [similarity[0], propertySimilarity[0], ...verdicts];
}

test("the share of what is the same", () => {
  assert.deepEqual(similarityScorer.configure("").val, [""]);
  assert.deepEqual(said(["/a", "1", "1"], ["/properties/b", "1", "2"]), [0.5, 0, SAME, CHANGED]);
  assert.deepEqual(said(), [1, 1]);
});

test("what is no configuration", () => {
  assert.throws(() => similarityScorer.configure("event"), { message: /write "\/event"/ });
});
