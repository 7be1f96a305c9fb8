// @ts-check
import { latentFrameOf, videoFramesOf } from "./atlas.js";
import { make, tell } from "./dom.js";
import { Lane } from "./lane.js";
import { WARN, mostShared, sharedPlaces, warningsOf } from "./overlaps.js";
import { percent, say, seconds } from "./words.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./painter.js").View} View */
/** @typedef {import("./overlaps.js").Shared} Shared */
/** @typedef {import("./overlaps.js").Warning} Warning */

const LABEL = 8; // CSS pixels from the left
const MOST = 12; // warnings that have a mark of their own: W goes to the others, too
const ALARM = "#d55e00";

/** Who shares places with whom, frame by frame, with marks where it is too much, and a sentence on the picture. */
export class OverlapLane {
  /** @type {RunStore | undefined} */
  #run;
  /** @type {Shared[]} */
  #shared = [];
  /** @type {Warning[]} */
  #warnings = [];
  #frame = 0;
  #known = "";
  #drawn = "";
  /** By masks: reading them takes a moment. @type {WeakMap<Uint8Array, Shared[]>} */
  #measured = new WeakMap();
  #number = 0;
  /** @type {WeakMap<Uint8Array, number>} */
  #numbers = new WeakMap();

  /** @param {(frame: number) => void} go to a latent frame @param {HTMLElement} place for the sentence */
  constructor(go, place) {
    this.go = go;
    this.place = place;
    this.lane = new Lane(
      "overlaps",
      "overlapLane",
      (ratio) => this.#run && go(this.#frameAt(ratio)),
      (ratio) => (this.#run ? this.#saying(this.#frameAt(ratio)) : ""),
    );
    this.element = this.lane.element;
    this.element.hidden = true;
    this.chip = make("button", {
      type: "button",
      className: "interact-alarm",
      hidden: true,
      said: { textContent: "overlap" },
      onclick: () => this.next(),
      onpointerdown: (/** @type {Event} */ event) => event.stopPropagation(),
    });
    place.append(this.chip);
  }

  /** @param {number} ratio */
  #frameAt(ratio) {
    const { frames, grid } = /** @type {RunStore} */ (this.#run).scene;
    return Math.min(latentFrameOf(Math.min(frames - 1, Math.floor(ratio * frames))), grid[0] - 1);
  }

  /** @param {number} frame */
  #time(frame) {
    return seconds(videoFramesOf(frame)[0], this.#run?.scene.fps ?? 25);
  }

  /** @param {{one: number, other: number, share: number}} pair @param {number} frame */
  #words({ one, other, share }, frame) {
    const names = this.#run?.scene.names ?? [];
    return say("share", { one: names[one], other: names[other], share: percent(share), time: this.#time(frame) });
  }

  /** @param {number} frame */
  #saying(frame) {
    const most = mostShared(this.#shared, frame);
    return most ? this.#words(most, frame) : say("shareNothing", { time: this.#time(frame) });
  }

  /** @param {RunStore | undefined} run @param {View | undefined} view whose masks are measured @param {boolean} wanted */
  update(run, view, wanted) {
    const there = Boolean(wanted && run && run.scene.names.length > 1);
    this.element.hidden = !there;
    if (!there || !run || run !== this.#run) this.#forget();
    if (!there || !run) return;
    this.#run = run;
    this.#frame = view?.frame ?? this.#frame;
    if (view?.masks) this.#measure(view, view.masks);
    const { lane } = this;
    const each = lane.span / run.scene.frames;
    const [from, to] = videoFramesOf(this.#frame);
    const width = Math.max(2, (Math.min(to, run.scene.frames) - from) * each);
    lane.place(lane.cursor, lane.left + Math.min(from * each, lane.span - width), width);
    lane.announce(1, run.scene.grid[0], this.#frame + 1, this.#saying(this.#frame));
    const key = `${this.#known} ${lane.width}`;
    if (this.#drawn !== key) {
      this.#drawn = key;
      this.#draw();
      this.#mark();
    }
    this.#warn();
  }

  /** Draws anew at the next update, for another size, theme or language. */
  invalidate() {
    this.#drawn = "";
  }

  #forget() {
    this.chip.hidden = true;
    this.#shared = [];
    this.#warnings = [];
    this.#known = this.#drawn = "";
  }

  /** @param {View} view @param {Uint8Array} masks */
  #measure({ scene, visible }, masks) {
    if (!this.#numbers.has(masks)) this.#numbers.set(masks, this.#number++);
    const known = [this.#run?.run, this.#numbers.get(masks), visible].join();
    if (this.#known === known) return;
    this.#known = known;
    let all = this.#measured.get(masks);
    if (!all) this.#measured.set(masks, (all = sharedPlaces(masks, scene)));
    this.#shared = all.filter(({ one, other }) => visible.includes(one) && visible.includes(other));
    this.#warnings = warningsOf(this.#shared);
  }

  /** The warning that is said: of the frame that is shown, else the worst. */
  get #said() {
    const here = (/** @type {Warning} */ { from, to }) => this.#frame >= from && this.#frame <= to;
    return this.#warnings.find(here) ?? this.#warnings[0];
  }

  /** Goes to the warning that is said, and from there to the next. */
  next() {
    const said = this.#said;
    if (!said) return;
    const place = this.#warnings.indexOf(said) + Number(said.frame === this.#frame);
    this.go(this.#warnings[place % this.#warnings.length].frame);
  }

  #warn() {
    const said = this.#said;
    this.chip.hidden = !said;
    if (!said) return;
    const words = this.#words(said, said.frame);
    if (this.chip.textContent !== words) this.chip.textContent = words;
    tell(this.chip, { title: ["warnHint", { count: `${this.#warnings.length}` }] });
  }

  #draw() {
    const begun = this.lane.begin();
    if (!begun || !this.#run) return;
    const { canvas, height, ink, font } = begun;
    const { left, span } = this.lane;
    const { frames, grid } = this.#run.scene;
    canvas.font = `10px ${font}`;
    canvas.textBaseline = "middle";
    canvas.fillStyle = ink;
    canvas.globalAlpha = 0.55;
    canvas.fillText(say("overlap"), LABEL, height / 2 + 0.5);
    canvas.globalAlpha = 0.14;
    canvas.fillRect(left, height - 2, span, 1);
    for (let frame = 0; frame < grid[0]; frame++) {
      const share = mostShared(this.#shared, frame)?.share ?? 0;
      if (!share) continue;
      const [from, to] = videoFramesOf(frame);
      const x = left + (from / frames) * span;
      const tall = Math.max(1, share * (height - 4));
      canvas.globalAlpha = share < WARN ? 0.45 : 0.95;
      canvas.fillStyle = share < WARN ? ink : ALARM;
      canvas.fillRect(x, height - 1 - tall, Math.max(1, ((Math.min(to, frames) - from) / frames) * span - 0.5), tall);
    }
  }

  /** A button on each of the worst places. */
  #mark() {
    const { lane } = this;
    const { frames } = /** @type {RunStore} */ (this.#run).scene;
    for (const old of this.element.querySelectorAll(".interact-warning")) old.remove();
    const marks = this.#warnings.slice(0, MOST).map((warning) => {
      const [from, to] = videoFramesOf(warning.frame);
      const words = this.#words(warning, warning.frame);
      const mark = make("button", {
        type: "button",
        className: "interact-warning",
        title: words,
        "aria-label": words,
        onpointerdown: (/** @type {Event} */ event) => event.stopPropagation(),
        onclick: () => this.go(warning.frame),
      });
      mark.style.left = `${lane.left + ((from + Math.min(to, frames)) / 2 / frames) * lane.span}px`;
      return mark;
    });
    this.element.append(...marks);
  }
}
