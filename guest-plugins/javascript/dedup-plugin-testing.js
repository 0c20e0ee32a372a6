/**
 * Runs a JavaScript plugin in Node.js, so that its author can unit-test it: events in, keys or scores out, and files of
 * golden vectors. It is written to be read, not to be fast, and is not the sandbox: limits and what a component may import
 * are the host's. No part of a component.
 *
 *     import { Harness } from "./dedup-plugin-testing.js";
 *     import { keyExtractor } from "./by_id.js";
 *
 *     assert.deepEqual(new Harness(keyExtractor).keys('{"id": "7"}'), ["7"]);
 */

import { readFileSync } from "node:fs";

import { ABSENT, BOOL, BYTES, JSON_TEXT, NULL, NUMBER, STRING } from "./dedup-plugin.js";

const encoder = new TextEncoder();

/** A configured plugin: what `exportKeyExtractor` or `exportSimilarityScorer` made. */
export class Harness {
  /** An Error says why the plugin refuses the configuration. */
  constructor(exported, config = "") {
    this.exported = exported;
    const asked = inWords(() => exported.configure(config));
    /** The fields that the plugin asked for; null where it reads the payload. */
    this.fields = asked.tag === "fields" ? asked.val : null;
  }

  /** What is said of one event, given as its text: its keys as texts, or { noKey } or { invalid } with the reason. */
  keys(event) {
    return this.keysOf([event])[0];
  }

  /** What is said of the events of a batch. */
  keysOf(events) {
    const { keys, owners, status, notes } = this.extract(events);
    const reason = (index) => notes.find((note) => note.index === index)?.message ?? "";
    const all = valuesOf(keys);
    return events.map((_, index) => {
      if (status[index] !== 0) {
        return status[index] === 1 ? { noKey: reason(index) } : { invalid: reason(index) };
      }
      return all.filter((_, key) => (owners.length ? owners[key] : key) === index).map((key) => Buffer.from(key).toString());
    });
  }

  /** The answer for a whole batch, as it crosses to the host. */
  extract(events) {
    const values = events.flatMap((event) => project(event, this.fields));
    const kinds = Uint8Array.from(values, (value) => value.kind);
    const batch = { width: this.fields?.length ?? 1, values: column(values.map((value) => value.raw)), kinds };
    return inWords(() => this.exported.extract(batch));
  }

  /** What is said of two events, given as their texts. */
  compare(original, duplicate) {
    const rows = pairUp(original, duplicate, this.fields);
    const answer = this.compareRows([rows]);
    const pointers = (verdict) => rows.filter((_, row) => answer.verdicts[row] === verdict).map((row) => row.pointer);
    return {
      similarity: answer.similarity[0],
      propertySimilarity: answer.propertySimilarity[0],
      changed: pointers(1),
      same: pointers(0),
      ignored: pointers(2),
    };
  }

  /** The answer for a batch of pairs, each given as rows: { pointer, original, duplicate }, values as { kind, raw }. */
  compareRows(pairs) {
    const rows = pairs.flat();
    let end = 0;
    const of = (side) => [Uint8Array.from(rows, (row) => row[side].kind), column(rows.map((row) => row[side].raw))];
    const [originalKinds, originals] = of("original");
    const [duplicateKinds, duplicates] = of("duplicate");
    const ends = Uint32Array.from(pairs, (pair) => (end += pair.length));
    const paths = column(rows.map((row) => encoder.encode(row.pointer)));
    const batch = { ends, paths, originalKinds, originals, duplicateKinds, duplicates };
    return inWords(() => this.exported.compare(batch));
  }
}

/** Holds a plugin to a file of golden vectors; returns how many there are. An Error tells all that differ. */
export function checkGolden(exported, file) {
  const cases = JSON.parse(readFileSync(file, "utf8"));
  const wrong = cases.flatMap((golden) => {
    const config = golden.config ?? "";
    const harness = new Harness(exported, typeof config === "string" ? config : JSON.stringify(config));
    return answers(golden, harness)
      .map(([wanted, got]) => [JSON.stringify(wanted), JSON.stringify(got)])
      .filter(([wanted, got]) => wanted !== got)
      .map(([wanted, got]) => `${golden.name}: wanted ${wanted}, got ${got}`);
  });
  if (wrong.length) {
    throw new Error(wrong.join("\n"));
  }
  return cases.length;
}

function answers(golden, harness) {
  if (golden.original !== undefined) {
    const events = [JSON.stringify(golden.original), JSON.stringify(golden.duplicate)];
    const wanted = [golden.similarity, golden.property_similarity, golden.changed, golden.same];
    return [events, [...events].reverse()].map(([original, duplicate]) => {
      const said = harness.compare(original, duplicate);
      return [wanted, [said.similarity, said.propertySimilarity, said.changed, said.same]];
    });
  }
  const said = harness.keys(golden.event_text ?? JSON.stringify(golden.event));
  const got = said.noKey !== undefined ? "no key" : said.invalid !== undefined ? "invalid" : said;
  return [[golden.no_key ? "no key" : golden.invalid ? "invalid" : golden.keys, got]];
}

/** A failure is an object with a message, which is no Error. */
function inWords(act) {
  try {
    return act();
  } catch (failure) {
    throw failure instanceof Error ? failure : new Error(failure.message);
  }
}

// From here on it is what the host does with an event.

class NumberText {
  constructor(text) {
    this.text = text;
  }
}

/** A JSON text as values, numbers as they are written: JSON.parse cannot tell 1.0 from 1. */
function parse(event) {
  JSON.parse(event); // It knows best what is JSON.
  // So that what follows may be careless: a number is what stands outside of a string and looks like one.
  const marked = event.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) => (token[0] === '"' ? token : `{"\\u0000number":"${token}"}`));
  return JSON.parse(marked, (_, value) => (value !== null && Object.hasOwn(Object(value), "\0number") ? new NumberText(value["\0number"]) : value));
}

/** The values of an event's fields with their kinds; the payload where there are no fields. */
export function project(event, fields) {
  if (fields === null) {
    return [{ kind: BYTES, raw: typeof event === "string" ? encoder.encode(event) : event }];
  }
  let parsed;
  try {
    parsed = parse(event);
  } catch {
    return fields.map(() => valueOf(undefined));
  }
  return fields.map((field) => valueOf(found(parsed, field)));
}

function found(value, pointer) {
  for (const segment of pointer.split("/").slice(1)) {
    const name = segment.replaceAll("~1", "/").replaceAll("~0", "~");
    const isThere = Array.isArray(value) ? /^(0|[1-9]\d*)$/.test(name) && name in value : isObject(value) && Object.hasOwn(value, name);
    if (!isThere) {
      return undefined;
    }
    value = value[name];
  }
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !(value instanceof NumberText) && !Array.isArray(value);
}

function valueOf(value, number = (text) => text) {
  const of = (kind, text) => ({ kind, raw: encoder.encode(text) });
  if (value === undefined) {
    return of(ABSENT, "");
  }
  if (value === null) {
    return of(NULL, "");
  }
  if (typeof value === "boolean") {
    return of(BOOL, String(value));
  }
  if (value instanceof NumberText) {
    return of(NUMBER, number(value.text));
  }
  return typeof value === "string" ? of(STRING, value) : of(JSON_TEXT, canonical(value, number));
}

function canonical(value, number) {
  if (value instanceof NumberText) {
    return number(value.text);
  }
  if (Array.isArray(value)) {
    return `[${value.map((inner) => canonical(inner, number)).join(",")}]`;
  }
  if (!isObject(value)) {
    return JSON.stringify(value);
  }
  const names = Object.keys(value).sort(byBytes);
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name], number)}`).join(",")}}`;
}

function byBytes(left, right) {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** The properties of two events side by side: pointer, what the original has there, what the duplicate has. */
export function pairUp(original, duplicate, fields) {
  if (fields === null) {
    const [left, right] = [original, duplicate].map((event) => project(event, null)[0]);
    return [{ pointer: "", original: left, duplicate: right }];
  }
  const [originals, duplicates] = [original, duplicate].map((event) => new Map(properties(parse(event), "")));
  const pointers = [...new Set([...originals.keys(), ...duplicates.keys()])].sort(byBytes);
  const isAsked = (pointer) => fields.some((field) => pointer === field || pointer.startsWith(`${field}/`));
  const at = (side, pointer) => side.get(pointer) ?? valueOf(undefined);
  return pointers
    .filter(isAsked)
    .map((pointer) => ({ pointer, original: at(originals, pointer), duplicate: at(duplicates, pointer) }));
}

function properties(value, path) {
  if (!isObject(value) || Object.keys(value).length === 0) {
    // By value: one text for all spellings. Digits beyond those of a double are lost, other than in the host.
    return [[path, valueOf(value, (text) => String(Number(text)))]];
  }
  return Object.entries(value).flatMap(([name, inner]) =>
    properties(inner, `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`),
  );
}

function column(values) {
  const bytes = Buffer.concat(values);
  let end = 0;
  return { data: new Uint8Array(bytes), ends: Uint32Array.from(values, (value) => (end += value.length)) };
}

function valuesOf({ data, ends }) {
  return Array.from(ends, (end, index) => data.subarray(index === 0 ? 0 : ends[index - 1], end));
}
