// @ts-check
import { notSteered, say, stepNumber } from "./words.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./run_store.js").Source} Source */
/** @typedef {import("./types.js").Preferences} Preferences */
/**
 * @typedef {object} Pane One of the pictures that are shown.
 * @property {RunStore} run
 * @property {Source | undefined} source of the masks; undefined where there are none
 * @property {number} under step whose frames lie under them
 * @property {string} [caption]
 * @property {string} [words] why there are no masks
 */

/**
 * Which masks to show of a step. What steers a step is what the step before it predicted.
 * @param {{preferences: Preferences, pinned: number | undefined, kept?: RunStore}} viewer
 * @param {RunStore} run @param {number} step
 * @returns {Pane[]}
 */
export function panesOf({ preferences, pinned, kept }, run, step) {
  return masksOf(preferences, pinned, kept, run, step).map((pane) => {
    const picture = aboutPicture(preferences, pane.run, pane.under);
    const caption = [pane.caption, picture].filter(Boolean).join(", ");
    return { ...pane, caption: caption || undefined };
  });
}

/**
 * @param {Preferences} preferences @param {number | undefined} pinned @param {RunStore | undefined} kept
 * @param {RunStore} run @param {number} step
 * @returns {Pane[]}
 */
function masksOf(preferences, pinned, kept, run, step) {
  const predicted = { run, source: step, under: step };
  const number = stepNumber(step);
  switch (preferences.show) {
    case "steering": {
      const pane = steeringPane(run, step);
      return [pane.words ? { ...pane, caption: undefined } : pane]; // it is said in the middle already
    }
    case "both":
      return [steeringPane(run, step), { ...predicted, caption: say("predictedAt", { step: number }) }];
    case "steps": {
      const other = pinned ?? step;
      const left = { run, source: other, under: other, caption: say("readStep", { step: stepNumber(other) }) };
      return [left, { ...predicted, caption: say("readStep", { step: number }) }];
    }
    case "runs": {
      const other = kept?.nearest(step);
      if (!kept || kept === run || other === undefined) return [{ ...predicted, caption: say("keptAlone") }];
      const left = { run: kept, source: other, under: other, caption: ofRun("kept", kept, other) };
      return [left, { ...predicted, caption: ofRun("this", run, step) }];
    }
    default:
      return [predicted];
  }
}

/** @param {"kept" | "this"} which @param {RunStore} run @param {number} step */
function ofRun(which, { scene: { seed } }, step) {
  const values = { step: stepNumber(step), seed: seed ?? "" };
  if (which === "kept") return say(seed ? "keptSeed" : "keptStep", values);
  return say(seed ? "thisSeed" : "thisStep", values);
}

/** @param {RunStore} run @param {number} step @returns {Pane} */
function steeringPane(run, step) {
  const steered = run.steps.get(step)?.steered;
  const fixed = run.scene.mask_source === "fixed";
  if (steered && fixed && run.fixed)
    return { run, source: "fixed", under: step, caption: say("fixedStep", { step: stepNumber(step) }) };
  const before = run.before(step);
  const kept = before === step - 1; // of long runs only some steps are kept
  if (!steered || fixed || !kept)
    return {
      run,
      source: undefined,
      under: step,
      caption: notSteered(run, step),
      words: notSteered(run, step),
    };
  return { run, source: before, under: step, caption: say("steeredStep", { step: stepNumber(step) }) };
}

/** What is to be said of the picture behind the masks of a step. @param {Preferences} preferences @param {RunStore} run @param {number} step */
function aboutPicture({ backdrop, under }, run, step) {
  if (!backdrop) return "";
  if (under === "finished" && run.video && step !== run.latest) return say("finishedUnder");
  return run.backdropName(step, under) || !run.video ? "" : say("noFrames");
}
