// @ts-check
import { Popover, make } from "./dom.js";
import { COMPARES, SHOWS, showsTwo } from "./preferences.js";

/** @typedef {import("./types.js").Preferences} Preferences */
/** @typedef {import("./words.js").Word} Word */

/** @type {Record<typeof SHOWS[number], Word>} */
const SHOWN = {
  predicted: "showPredicted",
  steering: "showSteering",
  both: "showBoth",
  steps: "showSteps",
  runs: "showRuns",
};

/** @type {Record<typeof COMPARES[number], [Word, Word]>} */
const COMPARED = {
  beside: ["beside", "besideHint"],
  wipe: ["wiped", "wipeHint"],
  difference: ["differing", "differingHint"],
};

const UNDERS = /** @type {const} */ ([
  ["step", "underStep"],
  ["finished", "underFinished"],
  ["none", "underNone"],
]);

/** What is on the picture besides the masks. */
const MARKS = /** @type {const} */ ([
  ["names", "names", "names"],
  ["contested", "contested", "contestedHint"],
  ["unclaimed", "unclaimed", "unclaimedHint"],
  ["onion", "onion", "onionHint"],
  ["overlaps", "overlaps", "overlapsHint"],
]);

let group = 0; // radio buttons of one viewer belong together by name

/** The sheet of what is shown and how: choices that are made seldom. */
export class ViewMenu extends Popover {
  /** @param {(change: Partial<Preferences>) => void} prefer @param {() => void} keepRun beside the next one */
  constructor(prefer, keepRun) {
    const name = `interact-${group++}`;
    const radio = (/** @type {string} */ kind, /** @type {() => void} */ onchange) =>
      make("input", { type: "radio", name: `${name}-${kind}`, onchange });
    const shows = SHOWS.map((show) =>
      radio("show", () => (show === "runs" ? keepRun() : prefer({ show }))),
    );
    const compares = COMPARES.map((compare) =>
      make("button", {
        type: "button",
        className: "interact-button",
        said: { textContent: COMPARED[compare][0], title: COMPARED[compare][1] },
        onclick: () => prefer({ compare }),
      }),
    );
    const unders = UNDERS.map(([under]) =>
      radio("under", () => prefer(under === "none" ? { backdrop: false } : { backdrop: true, under })),
    );
    const marks = MARKS.map(([key]) => tick((on) => prefer({ [key]: on })));
    const heat = tick((on) => prefer({ mode: on ? "heat" : "soft" }));
    const audible = tick((sound) => prefer({ sound }));
    const opacity = range("opacity", (value) => prefer({ opacity: value }));
    const volume = range("volume", (value) => prefer({ volume: value }));
    super(
      "view",
      make("p", { said: { textContent: "masks" } }),
      ...shows.map((input, at) => make("label", {}, input, text(SHOWN[SHOWS[at]]))),
      make(
        "div",
        { className: "interact-modes interact-compares", role: "group", said: { "aria-label": "comparedAs" } },
        ...compares,
      ),
      make("hr"),
      make("label", { className: "interact-narrow" }, heat, text("heatHint")),
      make("label", { className: "interact-wide" }, text("opacity"), opacity),
      ...marks.map((input, at) => make("label", { said: { title: MARKS[at][2] } }, input, text(MARKS[at][1]))),
      make("hr"),
      make("p", { said: { textContent: "picture" } }),
      ...unders.map((input, at) => make("label", {}, input, text(UNDERS[at][1]))),
      make("hr"),
      make("label", {}, audible, text("sound")),
      make("label", {}, text("volume"), volume),
    );
    this.controls = { shows, compares, unders, marks, heat, audible, opacity, volume };
  }

  /** @param {Preferences} preferences @param {boolean} sounds whether there is anything to be heard */
  update(preferences, sounds) {
    const { shows, compares, unders, marks, heat, audible, opacity, volume } = this.controls;
    shows.forEach((input, at) => (input.checked = SHOWS[at] === preferences.show));
    compares.forEach((button, at) => {
      button.setAttribute("aria-pressed", `${COMPARES[at] === preferences.compare}`);
      button.disabled = !showsTwo(preferences);
    });
    const under = preferences.backdrop ? preferences.under : "none";
    unders.forEach((input, at) => (input.checked = UNDERS[at][0] === under));
    marks.forEach((input, at) => (input.checked = preferences[MARKS[at][0]]));
    heat.checked = preferences.mode === "heat";
    audible.checked = preferences.sound;
    opacity.value = `${preferences.opacity}`;
    volume.value = `${preferences.volume}`;
    for (const control of [audible, volume]) control.disabled = !sounds;
  }
}

/** @param {(on: boolean) => void} changed */
export function tick(changed) {
  const input = make("input", { type: "checkbox", onchange: () => changed(input.checked) });
  return input;
}

/** @param {"opacity" | "volume"} label @param {(value: number) => void} changed */
export function range(label, changed) {
  const said = { title: label, "aria-label": label };
  const input = make("input", { type: "range", min: "0", max: "1", step: "0.05", said });
  input.addEventListener("input", () => changed(Number(input.value)));
  return input;
}

/** @param {Word} word */
export const text = (word) => make("span", { said: { textContent: word } });
