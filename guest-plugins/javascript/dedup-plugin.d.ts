/** The types of dedup-plugin.js, the JavaScript SDK for dedup-host plugins. */

/** What a value is. The numbers are those of the contract. */
export type Kind = 0 | 1 | 2 | 3 | 4 | 5 | 6;
/** The event has no such field. */
export const ABSENT: 0;
/** JSON null. */
export const NULL: 1;
/** `true` or `false`. */
export const BOOL: 2;
/** A number: its JSON text. */
export const NUMBER: 3;
/** A string: UTF-8 without quotes, its escapes resolved. */
export const STRING: 4;
/** An object or array as canonical JSON text; so too a string that UTF-8 cannot hold, in quotes. */
export const JSON_TEXT: 5;
/** The whole payload as it came. */
export const BYTES: 6;

/** What is said of a property of a pair. */
export type Verdict = 0 | 1 | 2;
/** Both events have the same there. */
export const SAME: 0;
/** They differ there. */
export const CHANGED: 1;
/** It was not looked at. */
export const IGNORED: 2;

/** How much a line of the log matters. */
export type Level = 0 | 1 | 2 | 3 | 4;
export const TRACE: 0;
export const DEBUG: 1;
export const INFORMATION: 2;
export const WARNING: 3;
export const ERROR: 4;

/** What a plugin says of itself. */
export interface Info {
  /** A short name, as it stands in logs and metrics. */
  name: string;
  /** The version of the plugin, for people. */
  version: string;
  /** Raise it when the same events get other keys than before. 1 if absent. */
  keyVersion?: number;
}

/** What `configure` returns to read the whole payload, as it came, in the place of fields. */
export const PAYLOAD: unique symbol;

/** Thrown by `configure`: the operator's text is not accepted. The words say what is wrong and what would be right. */
export class Refused extends Error {}
/** Thrown by `key`: the event has no identity. The words say why. */
export class NoKey extends Error {}
/** Thrown by `key`: the plugin cannot make sense of the event, which becomes a dead letter. The words say why. */
export class Invalid extends Error {}

/** A key that a {@link TupleKey} made. Its bytes stay where they were made unless they are asked for. */
export class MadeKey {
  private constructor();
  /** A copy of the key. */
  get bytes(): Uint8Array;
}

/** Keys are bytes; a string stands for its UTF-8. */
export type Key = Uint8Array | string | MadeKey;

/** Decides what makes two events the same: they are if they have a key in common. Made without arguments. */
export interface KeyExtractor {
  /**
   * Reads the operator's text, empty where none was given, and returns the JSON pointers of the fields to read, or
   * {@link PAYLOAD}. Throws {@link Refused} (a SyntaxError of JSON.parse counts as one): say what is wrong with the text
   * and what would be right, and refuse unknown members by name.
   */
  configure(config: string): string[] | typeof PAYLOAD;
  /**
   * The key of one event, or an array of several; null or [] where it has no identity. Throws {@link NoKey} or
   * {@link Invalid} to say why not. Any other error is the plugin's failure on this event.
   */
  key(event: Event): Key | Key[] | null | undefined;
}

/** Says how alike two events are that share a key. It has no say in what is a duplicate. Made without arguments. */
export interface SimilarityScorer {
  /** As in {@link KeyExtractor}; a pointer stands for all properties at and below it, "" for those of the whole event. */
  configure(config: string): string[] | typeof PAYLOAD;
  /**
   * How alike the events of a pair are, and a verdict on each property. The answer must not change when the two events
   * change places, and is 1 for an event and itself.
   */
  compare(pair: Pair): Score;
}

/** One value of an event. */
export class Value {
  /** Of bytes, or of a text. */
  constructor(kind: Kind, raw: Uint8Array | string);
  readonly kind: Kind;
  /** Its text or bytes; empty where it is absent or null. A view: copy it to keep it. */
  get raw(): Uint8Array;
  /** Whether it is absent or null. */
  get isMissing(): boolean;
  /** The value as text. Throws for a payload that is not UTF-8. */
  get text(): string;
}

/** One event: its values in the order of the fields asked for. It is of use until `key` returns. */
export class Event {
  private constructor();
  /** Number of values: as many as fields were asked for, or 1 for the payload. */
  readonly width: number;
  /** What the value of a field is, the fields counted from 0 in the order asked for. */
  kind(field: number): Kind;
  /** The bytes of a field's value; empty where it is absent or null. A view: copy it to keep it. */
  raw(field: number): Uint8Array;
  /** The text of a field's value; null where it is absent or null. */
  text(field: number): string | null;
  /** The value of a field with its kind. */
  value(field: number): Value;
  /** All values in order. */
  values(): Value[];
}

/** One place in the two events of a pair: something is there in at least one of them. */
export interface Property {
  /** JSON pointer of the place. */
  readonly pointer: string;
  /** What the original has there. */
  readonly original: Value;
  /** What the duplicate has there. */
  readonly duplicate: Value;
  /** Whether both have the same, in kind and text; numbers and JSON come canonical from the host. */
  readonly isSame: boolean;
}

/**
 * A duplicate, and the first event that had its key. Iterating gives its properties, ascending by the bytes of their
 * pointers, no pointer twice; `pointers` and `same` are faster where they are enough.
 */
export class Pair implements Iterable<Property> {
  private constructor();
  /** Number of properties. */
  get length(): number;
  /** The JSON pointers of the properties. */
  pointers(): string[];
  /** For each property whether both events have the same there, in kind and text. */
  same(): boolean[];
  [Symbol.iterator](): Iterator<Property>;
}

/** How alike two events are; each from 0 to 1, 1 for an event and itself. */
export interface Score {
  /** Over all that the scorer looks at. */
  similarity: number;
  /** Over the properties alone, as the scorer understands that word. */
  propertySimilarity: number;
  /** One for each property, in their order; those at the end that get none are {@link IGNORED}. */
  verdicts?: readonly Verdict[];
}

/** Keys made of several values, such that no two different tuples meet in one key; see dedup-plugin.js. */
export class TupleKey {
  /**
   * A tuple of `parts`, each a JSON pointer, or a list of them of which the first that has a value counts.
   *
   * `missing` is what an event gets that lacks a part: `no-key` (the default), or a key in which the part is `marked`.
   * `kinds` is `distinct` (the default) or, for strings, numbers and booleans with one text to meet, `ignored`. Throws
   * {@link Refused}.
   */
  constructor(
    parts: readonly (string | readonly string[])[],
    options?: { missing?: "no-key" | "marked"; kinds?: "distinct" | "ignored" },
  );
  /** What to ask the host for: return it from `configure`. */
  readonly fields: string[];
  /** The key of an event that was read with `fields`. Throws {@link NoKey}, which names the field that is missing. */
  key(event: Event): MadeKey;
}

/** What {@link tupleKey} takes: a number has to be whole and safe. */
export type Part = string | number | bigint | boolean | null | undefined | Uint8Array | Value;
/**
 * A key of several values, such as those that were worked out: no two different lists of values have one key. It is written
 * as {@link TupleKey} does.
 */
export function tupleKey(...values: Part[]): string | Uint8Array;

/** Checks that a text is a JSON pointer (RFC 6901), else throws {@link Refused}. */
export function checkPointer(pointer: string): void;
/** Fields as people type them: JSON pointers with commas between, checked. None in an empty text. */
export function splitPointers(config: string): string[];
/** Writes a line to the host's log, or to standard error where there is no host. */
export function log(level: Level, message: string): void;

/** What the component exports; opaque. */
export interface Exported {
  describe(): unknown;
}
/** Makes of a class the key extractor of this component: `export const keyExtractor = exportKeyExtractor(YourClass)`. */
export function exportKeyExtractor(type: { info: Info; new (): KeyExtractor }): Exported;
/** Makes of a class the similarity scorer of this component: `export const similarityScorer = ...`. */
export function exportSimilarityScorer(type: { info: Info; new (): SimilarityScorer }): Exported;
