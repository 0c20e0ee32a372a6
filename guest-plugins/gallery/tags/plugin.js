/** Two events are the same if they have the same tags, in any order. */
import { JSON_TEXT, NoKey, Refused, exportKeyExtractor, tupleKey } from "./dedup-plugin.js";

class Tags {
  static info = { name: "tags", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    if (config !== "") {
      throw new Refused(`there is nothing to configure: ${config}`);
    }
    return ["/tags"];
  }

  key(event) {
    // An array comes as JSON. Take no numbers from it: beyond 2^53 two of them become one.
    const tags = event.kind(0) === JSON_TEXT ? JSON.parse(event.text(0)) : null;
    if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) {
      throw new NoKey("/tags is no array of texts");
    }
    return tupleKey(...tags.sort());
  }
}

export const keyExtractor = exportKeyExtractor(Tags);
