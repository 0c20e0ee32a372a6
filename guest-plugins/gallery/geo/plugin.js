/** Two events are the same if they are of the same thousandth of a degree, which is about a hundred metres. */
import { NUMBER, NoKey, Refused, exportKeyExtractor, tupleKey } from "./dedup-plugin.js";

class Geo {
  static info = { name: "geo", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    if (config !== "") {
      throw new Refused(`there is nothing to configure: ${config}`);
    }
    return ["/lat", "/lon"];
  }

  key(event) {
    return tupleKey(cell(event.value(0), 90), cell(event.value(1), 180));
  }
}

function cell(value, max) {
  const degrees = value.kind === NUMBER ? Number(value.text) : NaN;
  if (!(Math.abs(degrees) <= max)) {
    throw new NoKey("/lat and /lon are no place");
  }
  return Math.floor(degrees * 1000);
}

export const keyExtractor = exportKeyExtractor(Geo);
