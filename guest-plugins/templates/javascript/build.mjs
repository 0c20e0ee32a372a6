// Makes a component of plugin.js, for build.sh: node build.mjs BUILDER.js WORLD OUT.wasm. Not for authors.

import { rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [builder, world, out] = process.argv.slice(2);
const { componentize } = await import(pathToFileURL(builder));

// The plugin with the host's log connected to it, which there is only in a component.
const around = resolve(".component.js");
const role = world === "key-plugin" ? "keyExtractor" : "similarityScorer";
await writeFile(
  around,
  `import { write } from "dedup:plugin/log@1.0.0";
import { connectLog } from "./dedup-plugin.js";
connectLog(write);
export { ${role} } from "./plugin.js";
`,
);
try {
  const { component } = await componentize({
    sourcePath: around,
    witPath: resolve("wit"),
    worldName: world,
    // Without these the component imports nothing but the log, which is what the host gives it.
    disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
  });
  await writeFile(out, component);
} finally {
  await rm(around, { force: true });
}
