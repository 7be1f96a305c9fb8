// @ts-check
import { PAUSE, PLAY, Popover, icon, make } from "./dom.js";

/** @typedef {import("./types.js").Preferences} Preferences */
/**
 * @typedef {object} Actions
 * @property {() => void} play
 * @property {(change: Partial<Preferences>) => void} prefer
 * @property {(what: "picture" | "video" | "sheet") => void} save
 */

const MODES = /** @type {const} */ ([
  ["soft", "Soft", "Opacity follows the mask's value, with a line at one half"],
  ["outline", "Outline", "Only the line at one half"],
  ["winner", "Winner", "Each place to the character with the highest value"],
]);

const SHOWS = /** @type {const} */ ([
  ["predicted", "What the step predicted"],
  ["steering", "What steered the step"],
  ["both", "Both, side by side"],
  ["steps", "Two steps, side by side"],
]);

const SAVES = /** @type {const} */ ([
  ["picture", "Picture of this view"],
  ["video", "Video of this step"],
  ["sheet", "Contact sheet of the run"],
]);

let group = 0; // radio buttons of one viewer belong together by name

/** The quiet row at the bottom: play, how masks are drawn, and two sheets for the rest. */
export class Controls {
  /** @param {Actions} actions */
  constructor(actions) {
    this.play = make("button", {
      type: "button",
      className: "interact-button interact-play",
      onclick: actions.play,
    });
    this.modes = MODES.map(([mode, label, title]) =>
      make("button", {
        type: "button",
        className: "interact-button",
        textContent: label,
        title,
        onclick: () => actions.prefer({ mode }),
      }),
    );
    const name = `interact-show-${group++}`;
    this.shows = SHOWS.map(([show]) =>
      make("input", { type: "radio", name, onchange: () => actions.prefer({ show }) }),
    );
    // One in the row where it fits, one in the sheet where not.
    this.opacities = [0, 1].map(() => {
      const range = {
        type: "range",
        min: "0",
        max: "1",
        step: "0.05",
        title: "Opacity",
        "aria-label": "Opacity",
      };
      const input = make("input", range);
      input.addEventListener("input", () => actions.prefer({ opacity: Number(input.value) }));
      return input;
    });
    this.backdrop = this.#switch((backdrop) => actions.prefer({ backdrop }));
    this.names = this.#switch((names) => actions.prefer({ names }));
    this.view = new Popover(
      "View",
      make("p", { textContent: "Masks" }),
      ...this.shows.map((input, at) => make("label", {}, input, SHOWS[at][1])),
      make("hr"),
      make("label", { className: "interact-wide" }, "Opacity", this.opacities[1]),
      make("label", {}, this.backdrop, "Video behind the masks"),
      make("label", {}, this.names, "Names on the picture"),
    );
    this.saves = SAVES.map(([what, label]) =>
      make("button", {
        type: "button",
        className: "interact-button",
        textContent: label,
        onclick: () => {
          this.save.toggle(false);
          actions.save(what);
        },
      }),
    );
    this.save = new Popover("Save", ...this.saves);
    this.element = make(
      "div",
      { className: "interact-controls" },
      this.play,
      make(
        "div",
        { className: "interact-modes", role: "group", "aria-label": "Masks drawn as" },
        ...this.modes,
      ),
      make("label", { className: "interact-opacity" }, this.opacities[0]),
      make("span", { className: "interact-gap" }),
      this.view.button,
      this.save.button,
    );
    this.setPlaying(false);
  }

  /** @param {(on: boolean) => void} changed */
  #switch(changed) {
    const input = make("input", { type: "checkbox", onchange: () => changed(input.checked) });
    return input;
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    this.play.replaceChildren(icon(playing ? PAUSE : PLAY));
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.play.title = playing ? "Pause (space)" : "Play (space)";
  }

  /** @param {Preferences} preferences @param {boolean} something whether there is anything to save */
  update(preferences, something) {
    this.modes.forEach((button, at) =>
      button.setAttribute("aria-pressed", `${MODES[at][0] === preferences.mode}`),
    );
    this.shows.forEach((input, at) => (input.checked = SHOWS[at][0] === preferences.show));
    for (const input of this.opacities) input.value = `${preferences.opacity}`;
    this.backdrop.checked = preferences.backdrop;
    this.names.checked = preferences.names;
    for (const button of [...this.saves, this.play]) button.disabled = !something;
  }

  get isOpen() {
    return !this.view.sheet.hidden || !this.save.sheet.hidden;
  }

  /** Closes what is open. @param {EventTarget | null} [target] where somebody clicked */
  leave(target = null) {
    this.view.leave(target);
    this.save.leave(target);
  }
}
