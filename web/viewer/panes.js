// @ts-check
import { notSteered, stepNumber } from "./words.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./types.js").Show} Show */
/**
 * @typedef {object} Pane One of the pictures that are shown.
 * @property {number | undefined} source step that predicted the masks; undefined where there are none
 * @property {number} under step whose frames lie under them
 * @property {string} [caption]
 * @property {string} [words] why there are no masks
 */

/**
 * Which masks to show of a step. What steers a step is what the step before it predicted.
 * @param {{preferences: {show: Show}, pinned: number | undefined}} viewer
 * @param {RunStore} run @param {number} step
 * @returns {Pane[]}
 */
export function panesOf({ preferences, pinned }, run, step) {
  const predicted = { source: step, under: step };
  const number = stepNumber(step);
  switch (preferences.show) {
    case "steering":
      return [steeringPane(run, step)];
    case "both":
      return [steeringPane(run, step), { ...predicted, caption: `predicted at step ${number}` }];
    case "steps": {
      const other = pinned ?? step;
      const left = { source: other, under: other, caption: `step ${stepNumber(other)}` };
      return [left, { ...predicted, caption: `step ${number}` }];
    }
    default:
      return [predicted];
  }
}

/** @param {RunStore} run @param {number} step @returns {Pane} */
function steeringPane(run, step) {
  const before = run.before(step);
  const kept = before === step - 1; // of long runs only some steps are kept
  if (!run.steps.get(step)?.steered || run.scene.mask_source === "fixed" || !kept)
    return { source: undefined, under: step, caption: notSteered(run, step), words: notSteered(run, step) };
  return { source: before, under: step, caption: `steered step ${stepNumber(step)}` };
}
