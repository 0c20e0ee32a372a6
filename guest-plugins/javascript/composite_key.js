/**
 * The plugin `composite_key` in JavaScript: two events are the same if they agree in every one of a list of fields. It
 * takes the same configurations and gives the same keys as guest-plugins/composite_key, which tells what they are.
 */

import { Refused, TupleKey, exportKeyExtractor, splitPointers } from "./dedup-plugin.js";

const DEFAULT_FIELDS = ["/timestamp", "/distinct_id", "/token", ["/event", "/event_name"]];
const ON_MISSING = { "no-key": "no-key", empty: "marked" };

class CompositeKey {
  static info = { name: "composite_key", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    const { fields = DEFAULT_FIELDS, on_missing = "no-key", kinds = "distinct", ...unknown } = read(config.trim());
    for (const name of Object.keys(unknown)) {
      throw new Refused(`unknown field \`${name}\`, expected one of \`fields\`, \`on_missing\`, \`kinds\``);
    }
    if (typeof on_missing !== "string" || !Object.hasOwn(ON_MISSING, on_missing)) {
      throw new Refused(`on_missing is ${JSON.stringify(on_missing)}: it can be "no-key" or "empty"`);
    }
    if (!Array.isArray(fields) || !fields.flat(1).every((pointer) => typeof pointer === "string")) {
      throw new Refused("each of the fields is a JSON pointer, or a list of JSON pointers");
    }
    this.tuple = new TupleKey(fields, { missing: ON_MISSING[on_missing], kinds });
    return this.tuple.fields;
  }

  key(event) {
    return this.tuple.key(event);
  }
}

function read(config) {
  if (config === "") {
    return {};
  }
  if (!config.startsWith("[") && !config.startsWith("{")) {
    return { fields: splitPointers(config) };
  }
  const parsed = JSON.parse(config);
  return Array.isArray(parsed) ? { fields: parsed } : parsed;
}

export const keyExtractor = exportKeyExtractor(CompositeKey);
