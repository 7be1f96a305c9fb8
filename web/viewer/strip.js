// @ts-check
import { Lane } from "./lane.js";
import { css, dashes } from "./palette.js";
import { steering, stepNumber, stepReading } from "./words.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./types.js").Colour} Colour */

const SIDE = 8; // CSS pixels left and right of the first and the last step
const SHARE = 0.6; // of the height for the areas, the rest for the changes
const LEAST_AREA = 0.05; // of the picture: smaller characters do not fill the strip
const LEAST_CHANGE = 0.2;

/**
 * The whole run at a glance: each character's area above, what is new from step to step below, and where the
 * masks begin to steer. A click goes to a step; with two steps shown, to the nearer of the two cursors.
 */
export class Strip {
  /** @type {RunStore | undefined} */
  #run;
  /** @type {number[]} */
  #visible = [];
  /** @type {Colour[]} */
  #colours = [];
  #drawn = "";

  /** @param {(step: number, pinned: boolean) => void} go */
  constructor(go) {
    /** The cursor that a drag holds. */
    let pinned = false;
    this.lane = new Lane(
      "strip",
      "Denoising step",
      (ratio, event) => {
        const step = this.#stepAt(ratio);
        if (step === undefined) return;
        if (event?.type === "pointerdown") pinned = this.#isNearerToSecond(ratio, event.shiftKey);
        go(step, pinned);
      },
      (ratio) => {
        const step = ratio === null ? undefined : this.#stepAt(ratio);
        return this.#run && step !== undefined ? stepReading(this.#run, step, this.#visible) : "";
      },
    );
    this.element = this.lane.element;
  }

  /**
   * @param {RunStore | undefined} run @param {number | undefined} step
   * @param {number | undefined} pinned the second of two steps that are shown
   * @param {number[]} visible @param {Colour[]} colours
   */
  update(run, step, pinned, visible, colours) {
    this.#run = run;
    this.#visible = visible;
    this.#colours = colours;
    const { lane } = this;
    const total = run?.total ?? 1;
    lane.cursor.hidden = step === undefined;
    lane.second.hidden = pinned === undefined;
    if (step !== undefined) lane.place(lane.cursor, this.#x(step, lane.width));
    if (pinned !== undefined) lane.place(lane.second, this.#x(pinned, lane.width));
    const words =
      run && step !== undefined
        ? `step ${stepNumber(step)} of ${total}, ${steering(run, step)}`
        : "no step yet";
    lane.announce(1, total, stepNumber(step ?? 0), words);
    // The drawing changes seldom, the cursor with every step: draw only what is new.
    const key = run
      ? [run.run, total, run.order.length, run.areas.size, run.changes.size, run.boundary, visible, lane.width, run.state]
      : [lane.width];
    if (this.#drawn === key.join()) return;
    this.#drawn = key.join();
    this.#draw();
  }

  /** Draws anew at the next update, for another size or theme. */
  invalidate() {
    this.#drawn = "";
  }

  /** @param {number} step @param {number} width */
  #x(step, width) {
    const last = Math.max(1, (this.#run?.total ?? 1) - 1);
    return SIDE + (step / last) * (width - 2 * SIDE);
  }

  /** @param {number} ratio */
  #stepAt(ratio) {
    const { width } = this.lane;
    const last = Math.max(1, (this.#run?.total ?? 1) - 1);
    return this.#run?.nearest(((ratio * width - SIDE) / Math.max(1, width - 2 * SIDE)) * last);
  }

  /** @param {number} ratio @param {boolean} shift */
  #isNearerToSecond(ratio, shift) {
    if (this.lane.second.hidden) return false;
    const at = (/** @type {HTMLElement} */ cursor) => new DOMMatrix(cursor.style.transform).m41;
    const x = ratio * this.lane.width;
    return shift || Math.abs(at(this.lane.second) - x) < Math.abs(at(this.lane.cursor) - x);
  }

  #draw() {
    const begun = this.lane.begin();
    if (!begun) return;
    const { canvas, width, height, ink, font } = begun;
    const floor = Math.round(height * SHARE);
    canvas.strokeStyle = ink;
    canvas.globalAlpha = 0.14;
    line(canvas, SIDE, floor + 0.5, width - SIDE, floor + 0.5);
    const run = this.#run;
    if (run) {
      this.#drawBoundary(run, begun);
      const areas = { from: run.areas, least: LEAST_AREA, top: 6, bottom: floor - 2 };
      const changes = { from: run.changes, least: LEAST_CHANGE, top: floor + 5, bottom: height - 3 };
      for (const { from, least, top, bottom } of [areas, changes]) {
        const most = highest(run, from, this.#visible, least);
        for (const character of [...this.#visible].reverse())
          this.#drawLine(canvas, run, from, character, (value) => bottom - (value / most) * (bottom - top));
      }
    }
    canvas.globalAlpha = 0.55;
    canvas.fillStyle = ink;
    canvas.font = `10px ${font}`;
    canvas.textBaseline = "top";
    canvas.fillText("area", SIDE, 3);
    canvas.fillText("change", SIDE, floor + 3);
  }

  /** @param {RunStore} run @param {{canvas: CanvasRenderingContext2D, width: number, height: number, ink: string, font: string}} begun */
  #drawBoundary(run, { canvas, width, height, ink, font }) {
    if (run.boundary < 0) return;
    const x = Math.round(this.#x(Math.max(0, run.boundary - 0.5), width)) + 0.5;
    canvas.fillStyle = canvas.strokeStyle = ink;
    canvas.globalAlpha = 0.05;
    canvas.fillRect(x, 0, width - x, height);
    canvas.globalAlpha = 0.5;
    canvas.setLineDash([2, 2]);
    line(canvas, x, 0, x, height);
    canvas.setLineDash([]);
    canvas.font = `10px ${font}`;
    canvas.textBaseline = "top";
    const words = "masks steer";
    if (x + canvas.measureText(words).width + 8 < width) canvas.fillText(words, x + 4, 3);
  }

  /**
   * @param {CanvasRenderingContext2D} canvas @param {RunStore} run @param {Map<number, Float32Array>} from
   * @param {number} character @param {(value: number) => number} y
   */
  #drawLine(canvas, run, from, character, y) {
    const { width } = this.lane;
    canvas.beginPath();
    let drawing = false;
    let alone = null;
    for (const step of run.order) {
      const value = from.get(step)?.[character];
      if (value === undefined) {
        drawing = false;
        continue;
      }
      const x = this.#x(step, width);
      if (drawing) canvas.lineTo(x, y(value));
      else canvas.moveTo(x, y(value));
      alone = drawing ? null : [x, y(value)];
      drawing = true;
    }
    canvas.globalAlpha = 0.95;
    canvas.lineJoin = "round";
    canvas.lineWidth = 1.5;
    canvas.strokeStyle = canvas.fillStyle = css(this.#colours[character]);
    canvas.setLineDash(dashes(character));
    canvas.stroke();
    canvas.setLineDash([]);
    canvas.lineWidth = 1;
    if (alone) canvas.fillRect(alone[0] - 1.5, alone[1] - 1.5, 3, 3); // one step makes no line
  }
}

/** @param {RunStore} run @param {Map<number, Float32Array>} from @param {number[]} visible @param {number} least */
function highest(run, from, visible, least) {
  let most = least;
  for (const values of from.values()) for (const character of visible) most = Math.max(most, values[character]);
  return most;
}

/** @param {CanvasRenderingContext2D} canvas @param {number} x @param {number} y @param {number} toX @param {number} toY */
function line(canvas, x, y, toX, toY) {
  canvas.beginPath();
  canvas.moveTo(x, y);
  canvas.lineTo(toX, toY);
  canvas.stroke();
}
