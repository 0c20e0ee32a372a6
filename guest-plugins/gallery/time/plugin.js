/** Two events of one device are the same if they are of the same millisecond, however their times are written. */
import { NoKey, Refused, exportKeyExtractor, tupleKey } from "./dedup-plugin.js";

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,3})\d*)?(Z|[+-]\d\d:\d\d)$/;

class Time {
  static info = { name: "time", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    if (config !== "") {
      throw new Refused(`there is nothing to configure: ${config}`);
    }
    return ["/time", "/device"];
  }

  key(event) {
    if (event.value(1).isMissing) {
      throw new NoKey("/device is absent or null");
    }
    const [, date, time, fraction = "", offset] = TIME.exec(event.text(0) ?? "") ?? [];
    // What the engine would read in a fraction by itself is not said.
    const milliseconds = Date.parse(`${date}T${time}.${fraction.padEnd(3, "0")}${offset}`);
    const isDate = new Date(Date.parse(`${date}T00:00:00Z`)).toJSON()?.startsWith(date);
    if (Number.isNaN(milliseconds) || !isDate) {
      throw new NoKey("/time is no time");
    }
    return tupleKey(milliseconds, event.value(1));
  }
}

export const keyExtractor = exportKeyExtractor(Time);
