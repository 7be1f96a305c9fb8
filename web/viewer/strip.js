// @ts-check
import { Lane } from "./lane.js";
import { css, dashes } from "./palette.js";
import { say, steering, stepNumber, stepReading } from "./words.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./types.js").Colour} Colour */
/**
 * @typedef {object} Marks Places in CSS pixels, null where there is none yet.
 * @property {number | null} boundary where masks begin to steer
 * @property {number | null} settled where they have settled
 */

const LABEL = 8; // CSS pixels from the left
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
      "denoisingStep",
      (ratio, event) => {
        const step = this.#stepAt(ratio);
        if (step === undefined) return;
        if (event.type === "pointerdown") pinned = this.#isNearerToSecond(ratio, event.shiftKey);
        go(step, pinned);
      },
      (ratio) => {
        const step = this.#stepAt(ratio);
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
    if (step !== undefined) lane.place(lane.cursor, this.#x(step));
    if (pinned !== undefined) lane.place(lane.second, this.#x(pinned));
    const words =
      run && step !== undefined
        ? say("stripStep", { step: stepNumber(step), total, steering: steering(run, step) })
        : say("noStep");
    lane.announce(1, total, stepNumber(step ?? 0), words);
    // The drawing changes seldom, the cursor with every step: draw only what is new.
    const known = run && [
      run.run,
      run.order.length,
      run.areas.size,
      run.changes.size,
      run.boundary,
      run.state,
    ];
    const key = [known, total, visible, lane.width].join();
    if (this.#drawn === key) return;
    this.#drawn = key;
    this.#draw();
  }

  /** Draws anew at the next update, for another size or theme. */
  invalidate() {
    this.#drawn = "";
  }

  get #last() {
    return Math.max(1, (this.#run?.total ?? 1) - 1);
  }

  /** @param {number} step */
  #x(step) {
    return this.lane.left + (step / this.#last) * this.lane.span;
  }

  /** @param {number} ratio */
  #stepAt(ratio) {
    return this.#run?.nearest(ratio * this.#last);
  }

  /** @param {number} ratio @param {boolean} shift */
  #isNearerToSecond(ratio, shift) {
    if (this.lane.second.hidden) return false;
    const at = (/** @type {HTMLElement} */ cursor) => new DOMMatrix(cursor.style.transform).m41;
    const x = this.lane.left + ratio * this.lane.span;
    return shift || Math.abs(at(this.lane.second) - x) < Math.abs(at(this.lane.cursor) - x);
  }

  #draw() {
    const begun = this.lane.begin();
    if (!begun) return;
    const { canvas, height, ink, paper, font } = begun;
    const { left, span } = this.lane;
    const floor = Math.round(height * SHARE);
    canvas.font = `10px ${font}`;
    canvas.textBaseline = "middle";
    canvas.strokeStyle = canvas.fillStyle = ink;
    canvas.globalAlpha = 0.55;
    canvas.fillText(say("area"), LABEL, floor / 2);
    canvas.fillText(say("change"), LABEL, (floor + height) / 2);
    canvas.globalAlpha = 0.14;
    line(canvas, left, floor + 0.5, left + span, floor + 0.5);
    const run = this.#run;
    if (!run) return;
    const marks = this.#marks(run);
    this.#drawMarks(canvas, marks, floor, height);
    const areas = { from: run.areas, least: LEAST_AREA, top: 6, bottom: floor - 3 };
    const changes = { from: run.changes, least: LEAST_CHANGE, top: floor + 5, bottom: height - 4 };
    for (const { from, least, top, bottom } of [areas, changes]) {
      const most = highest(run, from, this.#visible, least);
      for (const character of [...this.#visible].reverse())
        this.#drawLine(canvas, run, from, character, (value) => bottom - (value / most) * (bottom - top));
    }
    this.#nameMarks(canvas, marks, floor, ink, paper);
  }

  /**
   * Where masks begin to steer, and where they have settled.
   * @param {CanvasRenderingContext2D} canvas @param {Marks} marks @param {number} floor @param {number} height
   */
  #drawMarks(canvas, { boundary, settled }, floor, height) {
    if (boundary !== null) {
      const right = this.lane.left + this.lane.span;
      canvas.globalAlpha = 0.05;
      canvas.fillRect(boundary, 0, right - boundary, height);
      canvas.globalAlpha = 0.55;
      canvas.setLineDash([2, 2]);
      line(canvas, boundary, 0, boundary, height);
      canvas.setLineDash([]);
    }
    canvas.globalAlpha = 0.55;
    if (settled !== null) line(canvas, settled, floor - 5, settled, floor + 6);
  }

  /**
   * Their names, over the curves and on a ground of their own.
   * @param {CanvasRenderingContext2D} canvas @param {Marks} marks @param {number} floor
   * @param {string} ink @param {string} paper
   */
  #nameMarks(canvas, { boundary, settled }, floor, ink, paper) {
    const right = this.lane.left + this.lane.span;
    const write = (/** @type {string} */ words, /** @type {number} */ x, /** @type {number} */ y) => {
      const width = canvas.measureText(words).width;
      const left = x + width + 6 < right ? x + 4 : x - width - 4;
      canvas.globalAlpha = 0.75;
      canvas.fillStyle = paper;
      canvas.fillRect(left - 2, y - 6, width + 4, 12);
      canvas.globalAlpha = 0.7;
      canvas.fillStyle = ink;
      canvas.fillText(words, left, y);
    };
    if (boundary !== null) write(say("masksSteer"), boundary, floor + 10);
    if (settled !== null) write(say("settled"), settled, floor - 8);
  }

  /** @param {RunStore} run @returns {Marks} */
  #marks(run) {
    const settled = run.settled(this.#visible);
    const sharp = (/** @type {number} */ step) => Math.round(this.#x(step)) + 0.5;
    return {
      boundary: run.boundary >= 0 ? sharp(Math.max(0, run.boundary - 0.5)) : null,
      settled: settled === null ? null : sharp(settled),
    };
  }

  /**
   * @param {CanvasRenderingContext2D} canvas @param {RunStore} run @param {Map<number, Float32Array>} from
   * @param {number} character @param {(value: number) => number} y
   */
  #drawLine(canvas, run, from, character, y) {
    canvas.beginPath();
    let drawing = false;
    let alone = null;
    for (const step of run.order) {
      const value = from.get(step)?.[character];
      if (value === undefined) {
        drawing = false;
        continue;
      }
      const x = this.#x(step);
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
  for (const values of from.values())
    for (const character of visible) most = Math.max(most, values[character]);
  return most;
}

/**
 * @param {CanvasRenderingContext2D} canvas @param {number} x @param {number} y
 * @param {number} toX @param {number} toY
 */
function line(canvas, x, y, toX, toY) {
  canvas.beginPath();
  canvas.moveTo(x, y);
  canvas.lineTo(toX, toY);
  canvas.stroke();
}
