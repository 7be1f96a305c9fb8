// @ts-check
/** What the viewer says, in the language of the graph. */
import { Texts } from "../texts.js";
import { ENGLISH } from "./english.js";

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {keyof typeof ENGLISH} Word */

const words = new Texts("interacthuman_viewer", ENGLISH);

/** Calls back when another language is spoken, until the returned function is called. @param {() => void} listener */
export const onLanguage = (listener) => words.onLanguage(listener);

/** @param {Word} key @param {Record<string, string | number>} [values] */
export const say = (key, values) => words.say(key, values);

/** Which nodes are no longer as they were in the run that is shown. @param {string[]} titles */
export function changedSince(titles) {
  const [first, ...others] = titles;
  if (!first) return "";
  const values = { first, count: others.length };
  return `${say(others.length ? "changedMore" : "changed", values)} `;
}

/** Steps are counted from 1 for people. @param {number} index */
export const stepNumber = (index) => index + 1;

/** @param {number} share 0..1 */
export function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

/** @param {number} frame video frame @param {number} fps */
export const seconds = (frame, fps) => say("seconds", { seconds: (frame / fps).toFixed(2) });

/**
 * The line above the picture.
 * @param {RunStore | undefined} run @param {number | undefined} step that is shown
 * @param {boolean} following whether the newest step is shown as it comes
 * @returns {{text: string, tone: "quiet" | "live" | "alert"}}
 */
export function status(run, step, following) {
  if (!run) return { text: say("waiting"), tone: "quiet" };
  if (run.trouble) return { text: say(run.trouble), tone: "alert" };
  if (step === undefined || run.latest === undefined)
    return run.state === "sampling"
      ? { text: say("waiting"), tone: "live" }
      : { text: say("empty"), tone: "quiet" };
  const values = { step: stepNumber(step), total: run.total, latest: stepNumber(run.latest) };
  if (run.state === "sampling")
    return { text: say(following ? "stepSampling" : "stepBehind", values), tone: "live" };
  if (run.state === "stopped")
    return { text: say(step === run.latest ? "stopped" : "stoppedAt", values), tone: "alert" };
  return { text: say("stepAnd", { ...values, steering: steering(run, step) }), tone: "quiet" };
}

/** What masks did in a step. @param {RunStore} run @param {number} step */
export function steering(run, step) {
  if (run.scene.mask_source === "none") return say("steersNothing");
  if (!run.steps.get(step)?.steered) return say("steersNotYet");
  return say(run.scene.mask_source === "fixed" ? "steersFixed" : "steers");
}

/**
 * What is said of a place on the strip of the run.
 * @param {RunStore} run @param {number} step @param {number[]} visible
 */
export function stepReading(run, step, visible) {
  const area = run.areas.get(step);
  const change = run.changes.get(step);
  const said = visible.slice(0, 3).map((character) => {
    const name = run.scene.names[character];
    if (!area) return name;
    const values = { name, area: percent(area[character]) };
    return change ? say("readChange", { ...values, change: percent(change[character]) }) : say("readArea", values);
  });
  if (visible.length > 3) said.push("…");
  return [say("readStep", { step: stepNumber(step) }), ...said].join("  ·  ");
}

/** Why a view that shows what steered is empty. @param {RunStore} run @param {number} step */
export function notSteered(run, step) {
  return say(run.steps.get(step)?.steered ? "notKept" : "notSteered", { step: stepNumber(step) });
}

/** Why there are no masks of a step. @param {RunStore} run @param {number} step */
export function noMasks(run, step) {
  return say(run.steps.get(step)?.masks ? "misfit" : "noPicture", { step: stepNumber(step) });
}
