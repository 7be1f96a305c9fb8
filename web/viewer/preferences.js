// @ts-check
/** @typedef {import("./types.js").Preferences} Preferences */

/** @type {Preferences} */
export const DEFAULTS = {
  mode: "soft",
  show: "predicted",
  compare: "beside",
  opacity: 0.55,
  backdrop: true,
  under: "step",
  names: true,
  contested: false,
  unclaimed: false,
  onion: false,
  overlaps: true,
  stamped: true,
  sound: true,
  volume: 1,
  hidden: [],
};

export const MODES = /** @type {const} */ (["soft", "outline", "winner", "heat"]);
export const SHOWS = /** @type {const} */ (["predicted", "steering", "both", "steps", "runs"]);
export const COMPARES = /** @type {const} */ (["beside", "wipe", "difference"]);

/** What is chosen out of few. @type {Record<string, readonly string[]>} */
const CHOICES = { mode: MODES, show: SHOWS, compare: COMPARES, under: ["step", "finished"] };

/** Preferences as a saved workflow has them, whatever version wrote it. @param {Preferences} now @param {any} saved */
export function recalled(now, saved) {
  const taken = { ...now };
  for (const [key, value] of Object.entries(DEFAULTS)) {
    const one = saved?.[key];
    if (typeof one !== typeof value || Array.isArray(one) !== Array.isArray(value)) continue;
    if (!CHOICES[key] || CHOICES[key].includes(one)) Object.assign(taken, { [key]: one });
  }
  if (taken.show === "runs") taken.show = "predicted"; // no run is kept yet
  return taken;
}

/** Whether two of something are shown. @param {Preferences} preferences */
export const showsTwo = ({ show }) => show === "both" || show === "steps" || show === "runs";
