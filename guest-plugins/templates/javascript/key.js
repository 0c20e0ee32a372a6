/**
 * The plugin `{{name}}`: two events are the same if they are about the same order of the same shop.
 *
 * Configuration: nothing, or other fields than these, JSON pointers with commas between.
 */

import { TupleKey, exportKeyExtractor, splitPointers } from "./dedup-plugin.js";

const FIELDS = ["/shop", "/order/id"];

class Extractor {
  // Raise the key version when the same events get other keys than before.
  static info = { name: "{{name}}", version: "0.1.0", keyVersion: 1 };

  // Called once, with what the operator gave as --plugin-config. It returns what the host is to read of each event. A
  // Refused refuses the text; splitPointers throws one for what is no JSON pointer.
  configure(config) {
    const pointers = splitPointers(config);
    this.tuple = new TupleKey(pointers.length > 0 ? pointers : FIELDS);
    return this.tuple.fields;
  }

  // Called for each event. `event.text(0)` is the first field, null where it is absent or null; `event.value(0)` has its
  // kind, too. It returns the key, a string or bytes; here the tuple makes one that no other values have, and throws
  // NoKey, with the reason, where a field is missing.
  key(event) {
    return this.tuple.key(event);
  }
}

export const keyExtractor = exportKeyExtractor(Extractor);
