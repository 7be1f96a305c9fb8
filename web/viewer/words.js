// @ts-check
/** The texts of the viewer. */

/** @typedef {import("./run_store.js").RunStore} RunStore */

export const WORDS = {
  waiting: "Waiting for masks",
  waitingHint: "They appear here step by step while the sampler runs.",
  loading: "Loading the masks",
  gone: "The server was restarted, its pictures are gone: run again",
  lost: "The masks of the last run are gone: run again",
  unreachable: "The server does not answer: the masks appear when it does",
  versions: "These masks come from another version of InterActHuman: reload this page",
  empty: "This run has no masks: nothing was sampled, or nothing predicted",
  noRecorder: "This browser cannot record video: save a picture instead",
  recording: "Recording the video",
};

/** Which nodes are no longer as they were in the run that is shown. @param {string[]} titles */
export function changedSince(titles) {
  const [first, ...others] = titles;
  if (!first) return "";
  return `An earlier run, changed since: ${first}${others.length ? ` and ${others.length} more` : ""}. `;
}

/** Steps are counted from 1 for people. @param {number} index */
export const stepNumber = (index) => index + 1;

/** @param {number} share 0..1 */
export function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

/** @param {number} frame video frame @param {number} fps */
export const seconds = (frame, fps) => `${(frame / fps).toFixed(2)} s`;

/**
 * The line above the picture.
 * @param {RunStore | undefined} run @param {number | undefined} step that is shown
 * @param {boolean} following whether the newest step is shown as it comes
 * @returns {{text: string, tone: "quiet" | "live" | "alert"}}
 */
export function status(run, step, following) {
  if (!run) return { text: WORDS.waiting, tone: "quiet" };
  if (run.trouble) return { text: WORDS[run.trouble], tone: "alert" };
  if (step === undefined || run.latest === undefined)
    return run.state === "sampling"
      ? { text: WORDS.waiting, tone: "live" }
      : { text: WORDS.empty, tone: "quiet" };
  const place = `Step ${stepNumber(step)} of ${run.total}`;
  if (run.state === "sampling")
    return following
      ? { text: `${place}, sampling`, tone: "live" }
      : { text: `${place}; step ${stepNumber(run.latest)} is done, sampling`, tone: "live" };
  if (run.state === "stopped") {
    const stopped = `Stopped at step ${stepNumber(run.latest)}: these are the masks so far`;
    return { text: step === run.latest ? stopped : `${place}. ${stopped}`, tone: "alert" };
  }
  return { text: `${place}, ${steering(run, step)}`, tone: "quiet" };
}

/** What masks did in a step. @param {RunStore} run @param {number} step */
export function steering(run, step) {
  if (run.scene.mask_source === "none") return "masks steer nothing";
  if (!run.steps.get(step)?.steered) return "masks do not steer yet";
  return run.scene.mask_source === "fixed" ? "fixed masks steer the voices" : "masks steer the voices";
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
    return `${name} ${percent(area[character])}${change ? `, ${percent(change[character])} new` : ""}`;
  });
  if (visible.length > 3) said.push("…");
  return [`step ${stepNumber(step)}`, ...said].join("  ·  ");
}

/** Why a view that shows what steered is empty. @param {RunStore} run @param {number} step */
export function notSteered(run, step) {
  if (!run.steps.get(step)?.steered) return `No masks steered step ${stepNumber(step)}`;
  if (run.scene.mask_source === "fixed")
    return `Fixed masks steered step ${stepNumber(step)}: the layout masks of the characters, not shown here`;
  return `The masks that steered step ${stepNumber(step)} were not kept`;
}

/** Why there are no masks of a step. @param {RunStore} run @param {number} step */
export function noMasks(run, step) {
  if (!run.steps.get(step)?.masks) return `Step ${stepNumber(step)} was not kept as a picture`;
  return `The masks of step ${stepNumber(step)} do not fit this run: run again`;
}
