// @ts-check
import { latentFrameOf, videoFramesOf } from "./atlas.js";
import { make, tell } from "./dom.js";
import { Lane } from "./lane.js";
import { css } from "./palette.js";
import { say, seconds } from "./words.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./types.js").Colour} Colour */
/** @typedef {import("./sound.js").Span} Span */
/**
 * @typedef {object} Acts
 * @property {(frame: number) => void} go to a latent frame
 * @property {(character: number) => void} hear somebody alone
 * @property {(span: Span | null) => void} loop seconds that are to be played over and over
 */

const PEAKS = 4; // per video frame
const LABEL = 8; // CSS pixels from the left
const LEGIBLE = 13; // CSS pixels: a lower lane gets no name

/** The frames as a line of time, with what each character says in a lane of its own. */
export class Waves {
  /** @type {RunStore | undefined} */
  #run;
  /** @type {number[]} */
  #visible = [];
  /** @type {Colour[]} */
  #colours = [];
  #drawn = "";
  /** @type {HTMLButtonElement[]} */
  #buttons = [];
  /** @type {number | null} */
  #solo = null;

  /** @param {Acts} acts */
  constructor(acts) {
    /** Where a span that is being marked began, 0..1. @type {number | null} */
    let anchor = null;
    const frameAt = (/** @type {number} */ ratio) => {
      const frames = this.#run?.scene.frames ?? 1;
      return Math.min(frames - 1, Math.floor(ratio * frames));
    };
    this.lane = new Lane(
      "waves",
      "frame",
      (ratio, event) => {
        if (!this.#run) return;
        if (event.type === "pointerdown") anchor = event.shiftKey ? ratio : null;
        if (anchor === null) return acts.go(latentFrameOf(frameAt(ratio)));
        const { frames, fps } = this.#run.scene;
        const [from, to] = [Math.min(anchor, ratio), Math.max(anchor, ratio)].map((at) => (at * frames) / fps);
        acts.loop((to - from) * fps < 1 ? null : { from, to }); // a click without a drag takes it away
      },
      (ratio) => {
        if (!this.#run) return "";
        const { fps, frames } = this.#run.scene;
        const frame = frameAt(ratio);
        const place = [seconds(frame, fps), say("frameOf", { frame: frame + 1, frames })].join("  ·  ");
        return this.#run.sounds ? say("waveHint", { place }) : place;
      },
    );
    this.acts = acts;
    this.marked = make("div", { className: "interact-span", hidden: true });
    this.lane.element.prepend(this.marked);
    this.element = this.lane.element;
  }

  /**
   * @param {RunStore | undefined} run @param {number} frame @param {number[]} visible @param {Colour[]} colours
   * @param {number | null} solo who is heard alone @param {Span | null} span that is played over and over
   */
  update(run, frame, visible, colours, solo, span) {
    this.#run = run;
    this.#solo = solo;
    this.#visible = visible;
    this.#colours = colours;
    const { lane } = this;
    const frames = run?.scene.frames ?? 1;
    const latent = run?.scene.grid[0] ?? 1;
    const [from, to] = videoFramesOf(frame);
    lane.cursor.hidden = !run;
    const each = lane.span / frames;
    const width = Math.max(2, (Math.min(to, frames) - from) * each);
    lane.place(lane.cursor, lane.left + Math.min(from * each, lane.span - width), width);
    const words = run
      ? `${say("frameOf", { frame: from + 1, frames })}, ${seconds(from, run.scene.fps)}`
      : say("noFrame");
    lane.announce(1, latent, frame + 1, words);
    this.marked.hidden = !span;
    if (span && run) {
      const [left, right] = [span.from, span.to].map((at) => lane.left + at * run.scene.fps * each);
      lane.place(this.marked, left, Math.max(2, right - left));
    }
    const key = [run?.run, run?.voices.length, !run?.sounds, visible, solo, lane.width, lane.height].join();
    if (this.#drawn === key) return;
    this.#drawn = key;
    this.#draw();
    this.#putButtons();
  }

  /** Where it plays just now, in seconds of the video; null takes the line away. @param {number | null} at */
  point(at) {
    const { lane } = this;
    lane.second.hidden = at === null || !this.#run;
    if (at === null || !this.#run) return;
    const { frames, fps } = this.#run.scene;
    lane.place(lane.second, lane.left + Math.min(1, (at * fps) / frames) * lane.span);
  }

  /** On the names, where they can be read: who is heard alone. */
  #putButtons() {
    const each = this.lane.height / Math.max(1, this.#visible.length);
    const { sounds, scene } = this.#run ?? {};
    const places = each < LEGIBLE ? [] : this.#visible.map((character, place) => ({ character, place }));
    const wanted = places.filter(({ character }) => sounds?.voices[character]);
    const had = this.#buttons.some((button) => button === document.activeElement);
    for (const button of this.#buttons) button.remove();
    this.#buttons = wanted.map(({ character, place }) => {
      const button = make("button", {
        type: "button",
        className: "interact-solo",
        "aria-pressed": `${this.#solo === character}`,
        onpointerdown: (/** @type {Event} */ event) => event.stopPropagation(), // it is no place on the lane
        onclick: () => this.acts.hear(character),
      });
      const name = scene?.names[character] ?? "";
      tell(button, { title: ["solo", { name }], "aria-label": ["solo", { name }] });
      Object.assign(button.style, { top: `${place * each}px`, height: `${each}px`, width: `${this.lane.left - 6}px` });
      return button;
    });
    this.lane.element.append(...this.#buttons);
    if (had) this.#buttons[wanted.findIndex(({ character }) => character === this.#solo)]?.focus();
  }

  /** Draws anew at the next update, for another size or theme. */
  invalidate() {
    this.#drawn = "";
  }

  #draw() {
    const begun = this.lane.begin();
    if (!begun) return;
    const { canvas, height, ink, font } = begun;
    const { left, span } = this.lane;
    const each = height / Math.max(1, this.#visible.length);
    canvas.font = `10px ${font}`;
    canvas.textBaseline = "middle";
    this.#visible.forEach((character, place) => {
      const middle = (place + 0.5) * each;
      const peaks = this.#run?.voices[character];
      canvas.fillStyle = ink;
      canvas.globalAlpha = 0.14;
      if (each > 3) canvas.fillRect(left, Math.round(middle), span, 1);
      const heard = this.#solo === null || this.#solo === character;
      if (peaks?.length) this.#drawVoice(canvas, peaks, this.#colours[character], middle, each, heard);
      if (each < LEGIBLE) return; // too many to name: the legend tells them apart
      canvas.fillStyle = ink;
      canvas.globalAlpha = heard ? 0.7 : 0.35;
      canvas.font = `${this.#solo === character ? "600 " : ""}10px ${font}`;
      canvas.fillText(
        shortened(canvas, this.#run?.scene.names[character] ?? "", left - 12),
        LABEL,
        middle + 0.5,
      );
      if (peaks?.length || !this.#run?.voices.length) return;
      const width = canvas.measureText(say("silent")).width + 8;
      canvas.globalAlpha = 1;
      canvas.clearRect(left + (span - width) / 2, middle - 6, width, 12);
      canvas.globalAlpha = 0.45;
      canvas.fillText(say("silent"), left + (span - width) / 2 + 4, middle + 0.5);
    });
  }

  /**
   * @param {CanvasRenderingContext2D} canvas @param {number[]} peaks 0..255
   * @param {Colour} colour @param {number} middle @param {number} each height of a lane @param {boolean} heard
   */
  #drawVoice(canvas, peaks, colour, middle, each, heard) {
    const { left, span } = this.lane;
    const count = PEAKS * (this.#run?.scene.frames ?? 1);
    const half = Math.max(0.5, each / 2 - 1.5);
    canvas.globalAlpha = heard ? 0.9 : 0.25;
    canvas.fillStyle = css(colour);
    canvas.beginPath();
    const columns = Math.min(Math.floor(span), count);
    for (let column = 0; column < columns; column++) {
      const from = Math.floor((column / columns) * count);
      const to = Math.max(from + 1, Math.floor(((column + 1) / columns) * count));
      let peak = 0;
      for (let at = from; at < to && at < peaks.length; at++) peak = Math.max(peak, peaks[at]);
      const reach = (peak / 255) * half;
      const step = span / columns;
      if (reach > 0.2)
        canvas.rect(left + column * step, middle - reach, step > 2.5 ? step - 1 : step, 2 * reach);
    }
    canvas.fill();
  }
}

/**
 * A name, cut where it is too long.
 * @param {CanvasRenderingContext2D} canvas @param {string} name @param {number} room
 */
function shortened(canvas, name, room) {
  if (canvas.measureText(name).width <= room) return name;
  let kept = [...name];
  while (kept.length > 1 && canvas.measureText(`${kept.join("")}…`).width > room) kept = kept.slice(0, -1);
  return `${kept.join("")}…`;
}
