/**
 * The JavaScript SDK for dedup-host plugins: an object a role, and a function that makes of it what the component
 * exports. It hides how values are laid out on their way to the plugin and back. Not the host; it runs in Node.js as
 * well, so that plugins can be unit-tested. Its types are in dedup-plugin.d.ts.
 *
 * A whole plugin that says what makes two events the same:
 *
 *     import { Refused, exportKeyExtractor } from "./dedup-plugin.js";
 *
 *     class ById {
 *       static info = { name: "by_id", version: "1.0.0", keyVersion: 1 };
 *
 *       configure(config) {
 *         if (config !== "") {
 *           throw new Refused(`there is nothing to configure: ${config}`);
 *         }
 *         return ["/id"];
 *       }
 *
 *       key(event) {
 *         return event.text(0);
 *       }
 *     }
 *
 *     export const keyExtractor = exportKeyExtractor(ById);
 *
 * A whole plugin that says how alike a duplicate and its original are:
 *
 *     import { CHANGED, SAME, exportSimilarityScorer, splitPointers } from "./dedup-plugin.js";
 *
 *     class ShareOfSame {
 *       static info = { name: "share_of_same", version: "1.0.0" };
 *
 *       configure(config) {
 *         const pointers = splitPointers(config);
 *         return pointers.length ? pointers : ["/properties"];
 *       }
 *
 *       compare(pair) {
 *         const same = pair.same();
 *         const share = same.length ? same.filter(Boolean).length / same.length : 1;
 *         return { similarity: share, propertySimilarity: share, verdicts: same.map((is) => (is ? SAME : CHANGED)) };
 *       }
 *     }
 *
 *     export const similarityScorer = exportSimilarityScorer(ShareOfSame);
 *
 * A plugin must be pure: what it says of an event depends on the configuration and that event only. The host may drop
 * the object at any moment, make and configure another with the same text, and show it the same events again. So: keep
 * nothing between calls, and use neither Math.random nor Date.now.
 */

// What a value is. The numbers are those of the contract.
export const ABSENT = 0; // the event has no such field
export const NULL = 1;
export const BOOL = 2; // `true` or `false`
export const NUMBER = 3; // its JSON text
export const STRING = 4; // UTF-8 without quotes, its escapes resolved
export const JSON_TEXT = 5; // an object or array as canonical JSON text; so too a string that UTF-8 cannot hold, in quotes
export const BYTES = 6; // the whole payload as it came

// What is said of a property of a pair.
export const SAME = 0;
export const CHANGED = 1;
export const IGNORED = 2; // it was not looked at

// How much a line of the log matters.
export const TRACE = 0;
export const DEBUG = 1;
export const INFORMATION = 2;
export const WARNING = 3;
export const ERROR = 4;

/** What `configure` returns to read the whole payload, as it came, in the place of fields. */
export const PAYLOAD = Symbol("payload");

/** Thrown by `configure`: the operator's text is not accepted. The words say what is wrong and what would be right. */
export class Refused extends Error {}

/** Thrown by `key`: the event has no identity. The words say why. */
export class NoKey extends Error {}

/** Thrown by `key`: the plugin cannot make sense of the event, which becomes a dead letter. The words say why. */
export class Invalid extends Error {}

const NO_KEY_STATUS = 1;
const INVALID_STATUS = 2;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const MARK_BYTES_MAX = 2;
/** In one value; from there on it is faster as a text. */
const ESCAPES_ONE_BY_ONE = 8;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
// One character a byte.
const oneByte = new TextDecoder("latin1");
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const NO_UTF8 = 0xff;
const REPLACEMENT = "\ufffd";
const encoder = new TextEncoder();

/** A key that a TupleKey made: return it from `key`. Its bytes stay where they were made unless they are asked for. */
export class MadeKey {
  /** Not for authors. */
  constructor(bytes, start, end) {
    this._bytes = bytes;
    this._start = start;
    this._end = end;
  }

  get bytes() {
    return this._bytes.slice(this._start, this._end);
  }
}

/** One value of an event. */
export class Value {
  /** `raw` is bytes, or a text. */
  constructor(kind, raw) {
    this.kind = kind;
    this._raw = raw;
  }

  get raw() {
    return typeof this._raw === "string" ? bytesOf(this._raw) : this._raw;
  }

  get isMissing() {
    return this.kind <= NULL;
  }

  get text() {
    return typeof this._raw === "string" ? this._raw : utf8.decode(this._raw);
  }
}

/** A value of a pair, which is a text. Its text is there and not worked out when it is asked for: a call costs more. */
class TextValue {
  constructor(kind, text) {
    this.kind = kind;
    this.text = text;
  }

  get raw() {
    return encoder.encode(this.text);
  }

  get isMissing() {
    return this.kind <= NULL;
  }
}

/**
 * One event: its values in the order of the fields asked for. What is not asked of it costs nothing. It is of use until
 * `key` returns: the next event takes its place.
 */
export class Event {
  /** Not for authors. */
  constructor(batch, out) {
    this.width = Math.max(batch.width, 1);
    this._kinds = batch.kinds;
    this._ends = batch.values.ends;
    this._out = out;
    this._first = 0;
  }

  kind(field) {
    return this._kinds[this._at(field)];
  }

  raw(field) {
    const at = this._at(field);
    return this._out.bytes.subarray(at === 0 ? 0 : this._ends[at - 1], this._ends[at]);
  }

  text(field) {
    return this._kinds[this._at(field)] <= NULL ? null : utf8.decode(this.raw(field));
  }

  value(field) {
    return new Value(this.kind(field), this.raw(field));
  }

  values() {
    return Array.from({ length: this.width }, (_, field) => this.value(field));
  }

  _at(field) {
    if (field >= 0 && field < this.width) {
      return this._first + field;
    }
    throw new RangeError(`field ${field} of an event that has ${this.width}, counted from 0`);
  }
}

/**
 * A duplicate, and the first event that had its key. Iterating gives its properties, ascending by the bytes of their
 * pointers, no pointer twice; `pointers` and `same` are faster where they are enough.
 */
export class Pair {
  /** Not for authors. */
  constructor(rows, first, end) {
    this._rows = rows;
    this._first = first;
    this._end = end;
  }

  get length() {
    return this._end - this._first;
  }

  pointers() {
    return this._rows.pointers.slice(this._first, this._end);
  }

  same() {
    return this._rows.same.slice(this._first, this._end);
  }

  [Symbol.iterator]() {
    return new Properties(this._rows, this._first, this._end);
  }
}

/** Walks over the properties of a pair. No generator, and itself what `next` returns: both cost more than what they give. */
class Properties {
  constructor(rows, first, end) {
    this.rows = rows;
    this.pointers = rows.pointers;
    this.originals = rows.originals.texts;
    this.duplicates = rows.duplicates.texts;
    this.originalKinds = rows.originalKinds;
    this.duplicateKinds = rows.duplicateKinds;
    this.same = rows.same;
    this.row = first;
    this.end = end;
    this.done = false;
    this.value = undefined;
  }

  [Symbol.iterator]() {
    return this;
  }

  next() {
    const row = this.row;
    if (row === this.end) {
      this.done = true;
      this.value = undefined;
      return this;
    }
    this.row = row + 1;
    const isSame = this.same[row];
    const one = this.originals[row];
    const other = this.duplicates[row];
    const original = one === undefined ? this.rows.originals.value(this.originalKinds[row], row) : new TextValue(this.originalKinds[row], one);
    let duplicate = original;
    if (!isSame) {
      duplicate = other === undefined ? this.rows.duplicates.value(this.duplicateKinds[row], row) : new TextValue(this.duplicateKinds[row], other);
    }
    this.value = { pointer: this.pointers[row], original, duplicate, isSame };
    return this;
  }
}

/**
 * Keys made of several values, such that no two different tuples meet in one key. Not a hash: the text can be read.
 * Byte-identical with `dedup_plugin::tuple` of the Rust SDK.
 *
 * Parts are joined by `:`. In a part, `:` and `\` are written `\:` and `\\`. A string stands as it is; other kinds take a
 * mark that no string can have: `\n1` the number 1, `\btrue` true, `\j` and canonical text an object or array. With
 * `missing: "marked"`, `\z` stands for null and `\a` for no such field.
 */
export class TupleKey {
  constructor(parts, { missing = "no-key", kinds = "distinct" } = {}) {
    if (!["no-key", "marked"].includes(missing)) {
      throw new Refused(`missing is "${missing}": it can be "no-key" or "marked"`);
    }
    if (!["distinct", "ignored"].includes(kinds)) {
      throw new Refused(`kinds is "${kinds}": it can be "distinct" or "ignored"`);
    }
    if (parts.length === 0) {
      throw new Refused('the list of fields is empty: name at least one, such as "/id"');
    }
    this.fields = [];
    this._parts = [];
    for (const part of parts) {
      const pointers = Array.isArray(part) ? part : [part];
      if (pointers.length === 0) {
        throw new Refused('a list of alternative fields is empty: name at least one, such as "/id"');
      }
      pointers.forEach(checkPointer);
      this._parts.push({ first: this.fields.length, end: this.fields.length + pointers.length });
      this.fields.push(...pointers);
    }
    this._marked = missing === "marked";
    const letters = kinds === "distinct" ? "azbn j " : "az   j ";
    this._marks = Array.from(letters, (letter) => (letter === " " ? 0 : letter.charCodeAt(0)));
  }

  /** Throws a NoKey, which names the field that is missing. */
  key(event) {
    // One long function: where code is interpreted, a call costs more than what it would do here.
    const { _kinds: kinds, _ends: ends, _first: first, _out: out } = event;
    const parts = this._parts;
    const marks = this._marks;
    const valueBytes = ends[first + event.width - 1] - (first === 0 ? 0 : ends[first - 1]);
    const start = out.claim(2 * valueBytes + parts.length * (MARK_BYTES_MAX + 1));
    const { bytes, data } = out;
    // The next `:` and the next `\`: each byte is looked at once as long as events come in order.
    const isAhead = (first === 0 ? 0 : ends[first - 1]) >= out.seen;
    let { colon, backslash } = out;
    let to = start;
    for (let place = 0; place < parts.length; place++) {
      const part = parts[place];
      let at = first + part.first;
      let kind = kinds[at];
      if (kind <= NULL) {
        at = this._chosen(kinds, first, part);
        kind = kinds[at];
      }
      if (place > 0) {
        bytes[to++] = COLON;
      }
      if (marks[kind] !== 0) {
        bytes[to++] = BACKSLASH;
        bytes[to++] = marks[kind];
      }
      let from = at === 0 ? 0 : ends[at - 1];
      const end = ends[at];
      for (let left = isAhead ? ESCAPES_ONE_BY_ONE : 0; from < end; left--) {
        if (left === 0) {
          to = out.copyEscaped(from, end, to);
          break;
        }
        if (colon < from) {
          colon = data.indexOf(COLON, from);
          colon = colon < 0 ? data.length : colon;
        }
        if (backslash < from) {
          backslash = data.indexOf(BACKSLASH, from);
          backslash = backslash < 0 ? data.length : backslash;
        }
        const special = colon < backslash ? colon : backslash;
        const stop = special < end ? special : end;
        bytes.copyWithin(to, from, stop);
        to += stop - from;
        from = stop;
        if (special < end) {
          bytes[to++] = BACKSLASH;
          bytes[to++] = bytes[special];
          from++;
        }
      }
    }
    if (isAhead) {
      out.colon = colon;
      out.backslash = backslash;
      out.seen = ends[first + event.width - 1];
    }
    return out.claimed(start, to);
  }

  /** The place of the first value that is neither absent nor null; where there is none of a null, which beats absent. */
  _chosen(kinds, first, part) {
    let chosen = first + part.first;
    for (let at = first + part.first; at < first + part.end; at++) {
      if (kinds[at] > NULL) {
        return at;
      }
      if (kinds[chosen] !== NULL) {
        chosen = at;
      }
    }
    if (!this._marked) {
      throw new NoKey(`${this.fields[part.first]} is absent or null`);
    }
    return kinds[chosen] === NULL ? chosen : first + part.first;
  }
}

/** By kind; strings and payloads have none. */
const PART_MARKS = ["\\a", "\\z", "\\b", "\\n", "", "\\j", ""];

/**
 * A key of several values, such as those that were worked out: no two different lists of values have one key. It is written
 * as TupleKey does. A string stands as it is, bytes too; null is null, undefined is absent; a Value of the event has its own
 * kind. A number has to be whole and safe, because no other has one text: pass the event's own value, or a string.
 */
export function tupleKey(...values) {
  if (values.length === 0) {
    return "\\e";
  }
  const parts = values.map(partOf);
  if (parts.every((part) => typeof part === "string")) {
    return parts.join(":");
  }
  const bytes = parts.map((part) => (typeof part === "string" ? bytesOf(part) : part));
  const key = new Uint8Array(bytes.reduce((sum, part) => sum + part.length + 1, -1)).fill(COLON);
  let start = 0;
  for (const part of bytes) {
    key.set(part, start);
    start += part.length + 1;
  }
  return key;
}

/** A part of a key: a text, or bytes where it is no text. */
function partOf(value) {
  switch (typeof value) {
    case "string":
      return escaped(value);
    case "boolean":
      return `\\b${value}`;
    case "bigint":
      return `\\n${value}`;
    case "undefined":
      return "\\a";
    case "number":
      if (Number.isSafeInteger(value)) {
        return `\\n${value}`;
      }
      throw new RangeError(`the number ${value} in a key has no one text: pass the event's own value, a BigInt or a string`);
  }
  if (value === null) {
    return "\\z";
  }
  if (value instanceof Value || value instanceof TextValue) {
    return value.kind === BYTES ? escapedBytes(value.raw) : PART_MARKS[value.kind] + escaped(value.text);
  }
  if (value instanceof Uint8Array) {
    return escapedBytes(value);
  }
  throw new TypeError(`${typeof value} in a key: it can be a string, a whole number, a boolean, null, a Uint8Array or a Value`);
}

function escapedBytes(bytes) {
  if (!bytes.includes(COLON) && !bytes.includes(BACKSLASH)) {
    return bytes;
  }
  const escaped = new Uint8Array(2 * bytes.length);
  let to = 0;
  for (const byte of bytes) {
    if (byte === COLON || byte === BACKSLASH) {
      escaped[to++] = BACKSLASH;
    }
    escaped[to++] = byte;
  }
  return escaped.subarray(0, to);
}

function escaped(text) {
  return text.replaceAll("\\", "\\\\").replaceAll(":", "\\:");
}

/**
 * A text as UTF-8. Half of a surrogate pair, which UTF-8 cannot hold, becomes three bytes that no other text has, where
 * TextEncoder would make one character of all of them.
 */
function bytesOf(text) {
  if (text.isWellFormed()) {
    return encoder.encode(text);
  }
  const bytes = Array.from(text, (letter) => {
    const unit = letter.charCodeAt(0);
    const isHalf = letter.length === 1 && (unit & 0xf800) === 0xd800;
    return isHalf ? [0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)] : [...encoder.encode(letter)];
  });
  return Uint8Array.from(bytes.flat());
}

/** Checks that a text is a JSON pointer (RFC 6901). A Refused says what is wrong and what would be right. */
export function checkPointer(pointer) {
  if (typeof pointer !== "string") {
    throw new Refused(`${JSON.stringify(pointer)} is no JSON pointer: a pointer is a text, such as "/id"`);
  }
  if (pointer !== "" && !pointer.startsWith("/")) {
    throw new Refused(`"${pointer}" is no JSON pointer: write "/${pointer}"`);
  }
  if (/~(?![01])/.test(pointer)) {
    throw new Refused(`"${pointer}" is no JSON pointer: write ~0 for ~ and ~1 for / in a name`);
  }
}

/** Fields as people type them: JSON pointers with commas between, checked. None in an empty text. */
export function splitPointers(config) {
  const pointers = config.trim() === "" ? [] : config.split(",").map((pointer) => pointer.trim());
  pointers.forEach(checkPointer);
  return pointers;
}

let writeToHost = null;

/** Writes a line to the host's log, or to standard error where there is no host. The host keeps a bounded number of
 * bytes a call. */
export function log(level, message) {
  if (writeToHost === null) {
    console.error(`level ${level}: ${message}`);
  } else {
    writeToHost(level, String(message));
  }
}

/** Not for authors: what the build puts around a plugin calls it with the host's log. */
export function connectLog(write) {
  writeToHost = write;
}

/** Makes of a class the key extractor that this component exports, under the name `keyExtractor`. */
export function exportKeyExtractor(type) {
  const exported = new Exported(type);
  return { ...exported.common(), extract: (batch) => exported.call((plugin) => extract(plugin, batch)) };
}

/** Makes of a class the similarity scorer that this component exports, under the name `similarityScorer`. */
export function exportSimilarityScorer(type) {
  const exported = new Exported(type);
  return { ...exported.common(), compare: (pairs) => exported.call((plugin) => compare(plugin, pairs)) };
}

// From here on nothing is for authors.

/** What both roles have in common. Errors of the author's code become failures in words: a trap would lose them. */
class Exported {
  constructor(type) {
    this.type = type;
    this.plugin = null;
  }

  common() {
    return {
      describe: () => ({ keyVersion: 1, ...this.type.info }),
      configure: (config) => this.configure(config),
    };
  }

  configure(config) {
    try {
      const plugin = new this.type();
      const asked = plugin.configure(config);
      const isFields = Array.isArray(asked) && asked.every((field) => typeof field === "string");
      if (asked !== PAYLOAD && !isFields) {
        throw new TypeError("configure is to return an array of JSON pointers, or PAYLOAD");
      }
      this.plugin = plugin;
      return asked === PAYLOAD ? { tag: "payload" } : { tag: "fields", val: asked };
    } catch (error) {
      throw failure(error instanceof Refused || error instanceof SyntaxError ? error.message : words(error));
    }
  }

  call(act) {
    if (this.plugin === null) {
      throw failure("configure was not called before the first batch");
    }
    try {
      return act(this.plugin);
    } catch (error) {
      throw failure(words(error));
    }
  }
}

/**
 * The batch's values, and behind them the keys: in one buffer, because moving bytes inside of one is by far the fastest
 * way to copy in an engine that interprets.
 */
class Out {
  constructor(data, keys) {
    this.values = data.length;
    this.bytes = new Uint8Array(2 * data.length + 16 * keys + 64);
    this.bytes.set(data);
    this.data = data;
    /** Where the keys that were taken end, and where the next one may be put. */
    this.end = data.length;
    this.free = data.length;
    /** The last key made here. */
    this.last = null;
    /** The next `:` and the next `\` that are known of, and where the last event ended that was looked at for them. */
    this.colon = -1;
    this.backslash = -1;
    this.seen = 0;
  }

  /** Room for so many bytes; where it starts. */
  claim(bytes) {
    if (this.free + bytes > this.bytes.length) {
      const larger = new Uint8Array(2 * this.bytes.length + bytes);
      larger.set(this.bytes.subarray(0, this.free));
      this.bytes = larger;
    }
    return this.free;
  }

  claimed(start, end) {
    this.free = end;
    this.last = new MadeKey(this.bytes, start, end);
    return this.last;
  }

  /** Copies a piece of the values, escaped, at a cost that does not depend on how much there is to escape. */
  copyEscaped(from, end, to) {
    const piece = this.bytes.subarray(from, end);
    let text;
    try {
      text = utf8.decode(piece);
    } catch {
      for (const byte of piece) {
        if (byte === COLON || byte === BACKSLASH) {
          this.bytes[to++] = BACKSLASH;
        }
        this.bytes[to++] = byte;
      }
      return to;
    }
    return to + encoder.encodeInto(escaped(text), this.bytes.subarray(to)).written;
  }

  /** Takes a key: bytes anywhere, or a text. */
  push(said) {
    let key = said instanceof MadeKey ? said.bytes : said;
    this.free = this.end;
    if (typeof key === "string" && !key.isWellFormed()) {
      key = bytesOf(key);
    }
    if (typeof key === "string") {
      const start = this.claim(3 * key.length);
      this.end = start + encoder.encodeInto(key, this.bytes.subarray(start)).written;
    } else if (key instanceof Uint8Array) {
      const start = this.claim(key.length);
      this.bytes.set(key, start);
      this.end = start + key.length;
    } else {
      throw new TypeError(`key returned ${typeof key}: it can be a Uint8Array, a string, an array of these, or null`);
    }
  }
}

function extract(plugin, batch) {
  const width = Math.max(batch.width, 1);
  const events = batch.kinds.length / width;
  const out = new Out(batch.values.data, events);
  const event = new Event(batch, out);
  let ends = new Uint32Array(events);
  let owners = new Uint32Array(events);
  let count = 0;
  const status = new Uint8Array(events);
  const notes = [];
  for (let index = 0; index < events; index++) {
    event._first = index * width;
    let said = null;
    try {
      said = plugin.key(event);
    } catch (error) {
      status[index] = statusOf(error);
      notes.push({ index, message: error.message });
    }
    if (said !== null && said === out.last && said._start === out.end) {
      out.end = out.free;
    } else {
      const keys = Array.isArray(said) ? said.map(copied) : said === null || said === undefined ? [] : [said];
      if (keys.length !== 1) {
        status[index] ||= keys.length === 0 ? NO_KEY_STATUS : 0;
        ends = withRoom(ends, count + keys.length);
        owners = withRoom(owners, count + keys.length);
        for (const key of keys) {
          out.push(key);
          ends[count] = out.end - out.values;
          owners[count++] = index;
        }
        out.free = out.end;
        continue;
      }
      out.push(keys[0]);
    }
    if (count === ends.length) {
      ends = withRoom(ends, count + 1);
      owners = withRoom(owners, count + 1);
    }
    ends[count] = out.end - out.values;
    owners[count++] = index;
    out.free = out.end;
  }
  if (count === 0) {
    // No owners means one key an event: an empty one stands for each event of a batch without any.
    return { keys: { data: new Uint8Array(0), ends: new Uint32Array(events) }, owners: new Uint32Array(0), status, notes };
  }
  const keys = { data: out.bytes.subarray(out.values, out.end), ends: ends.subarray(0, count) };
  return { keys, owners: owners.subarray(0, count), status, notes };
}

/** Numbers with room for so many. */
function withRoom(numbers, count) {
  if (count <= numbers.length) {
    return numbers;
  }
  const larger = new Uint32Array(2 * count);
  larger.set(numbers);
  return larger;
}

/** The place of one key of several may be where another is put. */
function copied(key) {
  return key instanceof MadeKey ? key.bytes : key;
}

/** Errors other than these are not about the event. */
function statusOf(error) {
  if (error instanceof NoKey) {
    return NO_KEY_STATUS;
  }
  if (error instanceof Invalid) {
    return INVALID_STATUS;
  }
  throw error;
}

/** Values side by side. */
class Column {
  constructor({ data, ends }) {
    this.data = data;
    this.ends = ends;
    this._texts = null;
  }

  raw(at) {
    return this.data.subarray(at === 0 ? 0 : this.ends[at - 1], this.ends[at]);
  }

  value(kind, at) {
    return new Value(kind, this.raw(at));
  }

  /**
   * All values as texts, missing where one is no UTF-8. They are decoded at once, with a byte between them that is none in
   * UTF-8, and taken apart at the character that stands for it: cutting one text costs four times as much.
   */
  get texts() {
    return (this._texts ??= this._decoded());
  }

  _decoded() {
    const { data, ends } = this;
    const count = ends.length;
    // In one buffer, inside of which bytes are moved fastest.
    const bytes = new Uint8Array(2 * data.length + count);
    bytes.set(data);
    let start = 0;
    let to = data.length;
    for (let at = 0; at < count; at++) {
      const end = ends[at];
      bytes.copyWithin(to, start, end);
      to += end - start;
      bytes[to++] = NO_UTF8;
      start = end;
    }
    const texts = lossy.decode(bytes.subarray(data.length)).split(REPLACEMENT);
    texts.pop();
    // Other characters of this kind stand for themselves, or for what is no UTF-8.
    return texts.length === count ? texts : Array.from(ends, (_, at) => textOrNone(this.raw(at)));
  }
}

function textOrNone(bytes) {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The rows of a batch of pairs. What is not asked of them costs nothing. */
class Rows {
  constructor(pairs) {
    this.originalKinds = pairs.originalKinds;
    this.originals = new Column(pairs.originals);
    this.duplicateKinds = pairs.duplicateKinds;
    this.duplicates = new Column(pairs.duplicates);
    this._paths = new Column(pairs.paths);
    this._same = null;
  }

  get pointers() {
    return this._paths.texts;
  }

  /** Of each row whether both sides are the same. */
  get same() {
    return (this._same ??= this._compared());
  }

  _compared() {
    const { originalKinds, duplicateKinds } = this;
    const originals = this.originals.texts;
    const duplicates = this.duplicates.texts;
    const rows = originals.length;
    const same = [];
    for (let row = 0; row < rows; row++) {
      same[row] = originals[row] === duplicates[row] && originalKinds[row] === duplicateKinds[row];
      if (same[row] && originals[row] === undefined) {
        same[row] = oneByte.decode(this.originals.raw(row)) === oneByte.decode(this.duplicates.raw(row));
      }
    }
    return same;
  }
}

function compare(plugin, pairs) {
  const rows = new Rows(pairs);
  const similarity = new Float64Array(pairs.ends.length);
  const propertySimilarity = new Float64Array(pairs.ends.length);
  const verdicts = new Uint8Array(pairs.originalKinds.length).fill(IGNORED);
  let first = 0;
  for (let pair = 0; pair < pairs.ends.length; pair++) {
    const end = pairs.ends[pair];
    const score = plugin.compare(new Pair(rows, first, end));
    similarity[pair] = score.similarity;
    propertySimilarity[pair] = score.propertySimilarity;
    const given = score.verdicts ?? [];
    if (given.length > end - first) {
      throw new RangeError(`the scorer gave ${given.length} verdicts for ${end - first} properties`);
    }
    verdicts.set(given, first);
    first = end;
  }
  return { similarity, propertySimilarity, verdicts };
}

/** Only what is not an Error crosses as the contract's failure for sure. */
function failure(message) {
  return { message };
}

/** The error with the line of the plugin where it came from, which nobody could see otherwise. */
function words(error) {
  if (!(error instanceof Error)) {
    return `the plugin threw ${String(error)}`;
  }
  const place = /[\w.-]+\.[cm]?[jt]s:\d+/.exec(error.stack ?? "");
  return `${error.name}: ${error.message}${place ? ` (${place[0]})` : ""}`;
}
