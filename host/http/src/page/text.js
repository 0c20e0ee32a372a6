// Numbers and text as a person reads them. Nothing here touches the page.

const THIN = "\u202f";

/** What stands where nothing is known. */
export const NONE = "–";

/** @returns {boolean} whether it is a number that can be shown */
export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** A whole number, in groups of three. */
export function count(value) {
  return known(value) ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN) : NONE;
}

/** Events a second, without the unit. */
export function rate(value) {
  return known(value) && value > 0 && value < 9.95 ? value.toFixed(1) : count(value);
}

/** A part of a whole, in percent; never 0 or 100 unless it is. */
export function share(part, whole) {
  if (!known(part) || !known(whole) || whole <= 0) return NONE;
  const percent = (part / whole) * 100;
  if (percent > 0 && percent < 0.1) return `<0.1${THIN}%`;
  if (percent < 100 && percent > 99.9) return `>99.9${THIN}%`;
  return `${percent.toFixed(percent === 0 || percent === 100 ? 0 : 1)}${THIN}%`;
}

/** A likeness from 0 to 1. */
export function likeness(value) {
  if (!known(value)) return NONE;
  if (value > 0.995 && value < 1) return ">0.99";
  return value.toFixed(2);
}

export function bytes(value) {
  if (!known(value)) return NONE;
  let unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 100 ? 1 : 0;
  return `${value.toFixed(digits)}${THIN}${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/** Seconds in the two largest units that matter. */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds === 0) return `0${THIN}s`;
  for (const [unit, size] of [["ns", 1e-9], ["µs", 1e-6], ["ms", 1e-3]]) {
    if (seconds < size * 999.5) return `${short(seconds / size)}${THIN}${unit}`;
  }
  if (seconds < 59.95) return `${short(seconds)}${THIN}s`;
  const [large, small, size, part] =
    seconds < 3600 ? ["min", "s", 60, 1] : seconds < 86400 ? ["h", "min", 3600, 60] : ["d", "h", 86400, 3600];
  const parts = Math.round(seconds / part);
  const [whole, rest] = [Math.floor(parts / (size / part)), parts % (size / part)];
  return `${count(whole)}${THIN}${large}${rest ? ` ${rest}${THIN}${small}` : ""}`;
}

function short(value) {
  return value < 9.95 ? String(Number(value.toFixed(1))) : count(value);
}

/** The time of day here. */
export function clock(milliseconds) {
  if (!known(milliseconds) || Math.abs(milliseconds) > 8.64e15) return NONE;
  const at = new Date(milliseconds);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** The same everywhere, for machines and tooltips. */
export function instant(milliseconds) {
  return known(milliseconds) && Math.abs(milliseconds) <= 8.64e15 ? new Date(milliseconds).toISOString() : "";
}

/** One or several of something. */
export function several(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

// Controls, format characters (among them those that turn the direction of text), halves of surrogate pairs, separators
// of lines, and every space but the ordinary one: nobody sees them, or they make text look like other text.
const UNSEEN = /(?:[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs})+/gu;

/** Text cut into what can be seen as it is and what must be named. */
export function pieces(text) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > end) found.push({ text: text.slice(end, match.index), named: false });
    end = match.index + match[0].length;
    found.push({ text: Array.from(match[0], name).join(""), named: true });
  }
  if (end < text.length) found.push({ text: text.slice(end), named: false });
  return found;
}

function name(character) {
  const code = character.codePointAt(0);
  const usual = { 9: "\\t", 10: "\\n", 13: "\\r" }[code];
  if (usual) return usual;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}

/** The same text, in one string. */
export function plain(text) {
  return pieces(String(text)).map((piece) => piece.text).join("");
}

/** A place in a text at or before `at` that does not cut a character in two. */
export function boundary(text, at) {
  const low = text.charCodeAt(at) >>> 10 === 0x37;
  const high = at > 0 && text.charCodeAt(at - 1) >>> 10 === 0x36;
  return low && high ? at - 1 : at;
}

/** Where two texts differ: lengths of what they share at the start and at the end. */
export function difference(one, other) {
  const shorter = Math.min(one.length, other.length);
  let head = 0;
  while (head < shorter && one[head] === other[head]) head += 1;
  head = boundary(one, head);
  let tail = 0;
  while (tail < shorter - head && one[one.length - 1 - tail] === other[other.length - 1 - tail]) tail += 1;
  while (tail > 0 && boundary(one, one.length - tail) !== one.length - tail) tail -= 1;
  return { head, tail };
}
