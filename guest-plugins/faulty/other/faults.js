/**
 * Plugins with the faults that JavaScript invites to. The configuration is the fault's name, which begins with the rule that
 * it breaks; without one it is a right plugin. Each is a line that well-meaning authors write.
 */
import {
  CHANGED, JSON_TEXT, NUMBER, NoKey, Refused, SAME, exportKeyExtractor, exportSimilarityScorer, splitPointers,
} from "./dedup-plugin.js";

const WORDS = /[a-z]/g;
const seen = {};
const all = new Set();

// Of what is nested very deeply `JSON.parse` gives up.
const isJson = (event, first) =>
  event.kind(0) === JSON_TEXT && event.text(0).startsWith(first) && !event.text(0).includes("[".repeat(50));
const isArray = (event) => isJson(event, "[");
const isObject = (event) => isJson(event, "{");

const FAULTS = {
  "": (event) => event.raw(0),
  // A double: neighbours beyond 2^53 are one.
  "K10-number": (event) => (event.kind(0) === NUMBER ? String(Number(event.text(0))) : event.raw(0)),
  // Units of 16 bits cut to 8.
  "K11-units": (event) => Uint8Array.from(event.text(0), (letter) => letter.charCodeAt(0)),
  // Halves of a pair: TextEncoder makes one character of all of them.
  "K11-halves": (event) => new TextEncoder().encode(event.text(0).split("").join("\0")),
  // `test` of a global expression goes on where it stopped in the call before.
  "C4-last-index": (event) => (WORDS.test(event.text(0)) ? event.raw(0) : `other ${event.text(0)}`),
  // What is kept by its first letters is another's after a while.
  "D6-cache": (event) => (seen[event.text(0).slice(0, 40)] ??= event.text(0)),
  // An array as text: commas in values look like those between them.
  "K4-array": (event) => (event.value(1).isMissing ? null : `${[event.text(0), event.text(1)]}`),
  "K15-lower": (event) => event.text(0).toLowerCase(),
  "K11-trim": (event) => event.text(0).trim(),
  // 32 bits with a sign.
  "K10-int": (event) => (/^[0-9]+$/.test(event.text(0)) ? String(event.text(0) | 0) : event.raw(0)),
  // 32 bits, as in every answer on the web.
  "K13-hash": (event) => {
    let hash = 0;
    for (const letter of event.text(0)) {
      hash = (31 * hash + letter.codePointAt(0)) | 0;
    }
    return String(hash);
  },
  // Elements with commas between.
  "K16-array": (event) => (isArray(event) ? String(JSON.parse(event.text(0))) : event.raw(0)),
  // "[object Object]", whatever is in it.
  "K16-object": (event) => (isObject(event) ? String(JSON.parse(event.text(0))) : event.raw(0)),
  "K9-cut": (event) => event.text(0).substring(0, 100),
  // From each space it looks for the end again.
  "R3-pattern": (event) => (/\s+$/.test(event.text(0)) ? event.raw(0) : event.raw(0)),
  "R8-seen": (event) => all.add(event.text(0)) && event.raw(0),
};

class Faults {
  static info = { name: "faults", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    if (!Object.hasOwn(FAULTS, config)) {
      throw new Refused(`${JSON.stringify(config)} is no fault: there are ${Object.keys(FAULTS).join(", ")}`);
    }
    this.keyOf = FAULTS[config];
    return ["/id", "/of"];
  }

  key(event) {
    if (event.value(0).isMissing) {
      throw new NoKey("/id is absent or null");
    }
    return this.keyOf(event);
  }
}

export const keyExtractor = exportKeyExtractor(Faults);

/** No fault: a scorer that reads the text of every value. Texts are as alike as they are long. */
class Lengths {
  static info = { name: "faults", version: "0.1.0" };

  configure(config) {
    const pointers = splitPointers(config);
    return pointers.length ? pointers : [""];
  }

  compare(pair) {
    let sum = 0;
    const verdicts = [];
    for (const { original, duplicate, isSame } of pair) {
      const [one, other] = [original.text.length, duplicate.text.length];
      sum += isSame ? 1 : (0.5 * Math.min(one, other)) / Math.max(one, other, 1);
      verdicts.push(isSame ? SAME : CHANGED);
    }
    const similarity = pair.length ? sum / pair.length : 1;
    return { similarity, propertySimilarity: similarity, verdicts };
  }
}

export const similarityScorer = exportSimilarityScorer(Lengths);
