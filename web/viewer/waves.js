// @ts-check
import { latentFrameOf, videoFramesOf } from "./atlas.js";
import { Lane } from "./lane.js";
import { css } from "./palette.js";
import { seconds } from "./words.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./types.js").Colour} Colour */

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

  /** @param {(frame: number) => void} go to a latent frame */
  constructor(go) {
    const frameAt = (/** @type {number} */ ratio) => {
      const frames = this.#run?.scene.frames ?? 1;
      return Math.min(frames - 1, Math.floor(ratio * frames));
    };
    this.lane = new Lane(
      "waves",
      "Frame",
      (ratio) => this.#run && go(latentFrameOf(frameAt(ratio))),
      (ratio) => {
        if (!this.#run) return "";
        const { fps, frames } = this.#run.scene;
        const frame = frameAt(ratio);
        return `${seconds(frame, fps)}  ·  frame ${frame + 1} of ${frames}`;
      },
    );
    this.element = this.lane.element;
  }

  /** @param {RunStore | undefined} run @param {number} frame @param {number[]} visible @param {Colour[]} colours */
  update(run, frame, visible, colours) {
    this.#run = run;
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
    const words = run ? `frame ${from + 1} of ${frames}, ${seconds(from, run.scene.fps)}` : "no frame yet";
    lane.announce(1, latent, frame + 1, words);
    const key = [run?.run, run?.voices.length, visible, lane.width, lane.height].join();
    if (this.#drawn === key) return;
    this.#drawn = key;
    this.#draw();
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
      if (peaks?.length) this.#drawVoice(canvas, peaks, this.#colours[character], middle, each);
      if (each < LEGIBLE) return; // too many to name: the legend tells them apart
      canvas.fillStyle = ink;
      canvas.globalAlpha = 0.7;
      canvas.fillText(
        shortened(canvas, this.#run?.scene.names[character] ?? "", left - 12),
        LABEL,
        middle + 0.5,
      );
      if (peaks?.length || !this.#run?.voices.length) return;
      const width = canvas.measureText("silent").width + 8;
      canvas.globalAlpha = 1;
      canvas.clearRect(left + (span - width) / 2, middle - 6, width, 12);
      canvas.globalAlpha = 0.45;
      canvas.fillText("silent", left + (span - width) / 2 + 4, middle + 0.5);
    });
  }

  /**
   * @param {CanvasRenderingContext2D} canvas @param {number[]} peaks 0..255
   * @param {Colour} colour @param {number} middle @param {number} each height of a lane
   */
  #drawVoice(canvas, peaks, colour, middle, each) {
    const { left, span } = this.lane;
    const count = PEAKS * (this.#run?.scene.frames ?? 1);
    const half = Math.max(0.5, each / 2 - 1.5);
    canvas.globalAlpha = 0.9;
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
