// The last minutes of a few numbers, gathered from what is polled, and small drawings of them. Not kept anywhere: a page
// that is opened anew starts anew.

import { el, setAttribute, setText, svg } from "./dom.js";
import { duration, known } from "./text.js";

/** Drawn at first, and once there is more. */
const SPANS_MS = [60 * 1000, 5 * 60 * 1000];
const SPAN_MS_MAX = SPANS_MS[1];
/** Rates are shown as a mean over this time: outputs come in batches, and digits that flicker cannot be read. */
const MEAN_MS = 5000;
/** A longer time between two answers is a gap in the drawing. */
const GAP_MS_MAX = 15000;
const SAMPLES_MAX = 600;
const [WIDTH, HEIGHT] = [300, 44];

/** Counters and gauges as they were answered, oldest first. */
export class Samples {
  #samples = [];

  /** Adds an answer; a counter that went back is another process, and what was before is forgotten. */
  add(sample) {
    const last = this.#samples.at(-1);
    if (last && (sample.at < last.at || sample.consumed < last.consumed)) this.clear();
    if (last && sample.at === last.at) this.#samples.pop();
    this.#samples.push(sample);
    const oldest = sample.at - SPAN_MS_MAX - MEAN_MS;
    while (this.#samples.length > SAMPLES_MAX || this.#samples[0].at < oldest) this.#samples.shift();
  }

  clear() {
    this.#samples = [];
  }

  get end() {
    return this.#samples.at(-1)?.at ?? 0;
  }

  /** How much time a drawing shows. */
  get span() {
    const gathered = this.end - (this.#samples[0]?.at ?? this.end);
    return SPANS_MS.find((span) => span >= gathered) ?? SPAN_MS_MAX;
  }

  /** For each answer but the first: `of(earlier, later, seconds)`, over a few seconds. */
  over(of) {
    const points = [];
    let from = 0;
    this.#samples.forEach((sample, at) => {
      while (from < at - 1 && sample.at - this.#samples[from].at > MEAN_MS) from += 1;
      const before = this.#samples[at - 1];
      if (!before) return;
      const gap = sample.at - before.at > GAP_MS_MAX;
      if (gap) from = at - 1;
      const earlier = this.#samples[from];
      points.push({ at: sample.at, gap, value: of(earlier, sample, (sample.at - earlier.at) / 1000) });
    });
    return points;
  }

  /** Each answer as it is. */
  each(of) {
    return this.#samples.map((sample, at) => ({
      at: sample.at,
      gap: at > 0 && sample.at - this.#samples[at - 1].at > GAP_MS_MAX,
      value: of(sample),
    }));
  }
}

/** One number: what it is now, and its last minutes. */
export class Tile {
  constructor({ id, label, unit, note, format }) {
    this.format = format;
    this.label = label;
    this.number = el("span", { class: "number" }, "–");
    this.line = svg("path", { class: "line", "vector-effect": "non-scaling-stroke" });
    this.area = svg("path", { class: "area" });
    this.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, this.area, this.line);
    this.peak = el("p", { class: "peak" }, "–");
    this.node = el("article", { class: "tile", id: `tile-${id}` }, el("h3", {}, label),
      el("p", { class: "now" }, this.number, " ", el("span", { class: "unit" }, unit)),
      this.drawing, this.peak, el("p", { class: "remark" }, note));
  }

  show(points, span, end) {
    const values = points.map((point) => point.value).filter(known);
    const peak = Math.max(0, ...values);
    const now = points.at(-1)?.value;
    setText(this.number, this.format(now));
    const time = duration(span / 1000);
    setText(this.peak, `${time}, at most ${this.format(values.length ? peak : undefined)}`);
    const { line, area } = paths(points, span, end, peak || 1);
    setAttribute(this.line, "d", line);
    setAttribute(this.area, "d", area);
    setAttribute(this.drawing, "aria-label", `${this.label}: now ${this.format(now)}, at most ${this.format(peak)} in the last ${time}`);
  }
}

/** Lines through the points and the areas below them, broken where there is a gap or no number. */
function paths(points, span, end, top) {
  let [line, area, open] = ["", "", null];
  const close = () => {
    if (open) area += `L${open},${HEIGHT}Z`;
    open = null;
  };
  for (const { at, gap, value } of points) {
    const x = (WIDTH * (1 - (end - at) / span)).toFixed(1);
    if (!known(value) || gap) close();
    if (!known(value) || x < 0) continue;
    const y = (HEIGHT - 1 - (HEIGHT - 3) * Math.min(1, Math.max(0, value / top))).toFixed(1);
    line += `${open ? "L" : "M"}${x},${y}`;
    area += open ? `L${x},${y}` : `M${x},${HEIGHT}L${x},${y}`;
    open = x;
  }
  close();
  return { line, area };
}
