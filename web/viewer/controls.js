// @ts-check
import { LOUD, MUTE, PAUSE, PLAY, Popover, icon, make, tell } from "./dom.js";

/** @typedef {import("./types.js").Preferences} Preferences */
/**
 * @typedef {object} Actions
 * @property {() => void} play
 * @property {() => void} mute turns the sound off, or on again
 * @property {(change: Partial<Preferences>) => void} prefer
 * @property {(what: "picture" | "video" | "sheet") => void} save
 */

const MODES = /** @type {const} */ ([
  ["soft", "softHint"],
  ["outline", "outlineHint"],
  ["winner", "winnerHint"],
]);

const SHOWS = /** @type {const} */ ([
  ["predicted", "showPredicted"],
  ["steering", "showSteering"],
  ["both", "showBoth"],
  ["steps", "showSteps"],
]);

const UNDERS = /** @type {const} */ ([
  ["step", "underStep"],
  ["finished", "underFinished"],
  ["none", "underNone"],
]);

const SAVES = /** @type {const} */ ([
  ["picture", "savePicture"],
  ["video", "saveVideo"],
  ["sheet", "saveSheet"],
]);

let group = 0; // radio buttons of one viewer belong together by name

/** The quiet row at the bottom: play, how masks are drawn, and two sheets for the rest. */
export class Controls {
  #sounds = "";

  /** @param {Actions} actions */
  constructor(actions) {
    this.play = make("button", {
      type: "button",
      className: "interact-button interact-play",
      onclick: actions.play,
    });
    this.sound = make("button", {
      type: "button",
      className: "interact-button interact-play interact-sound",
      onclick: actions.mute,
    });
    this.modes = MODES.map(([mode, title]) =>
      make("button", {
        type: "button",
        className: "interact-button",
        said: { textContent: mode, title },
        onclick: () => actions.prefer({ mode }),
      }),
    );
    const name = `interact-${group++}`;
    this.shows = SHOWS.map(([show]) =>
      make("input", { type: "radio", name: `${name}-show`, onchange: () => actions.prefer({ show }) }),
    );
    this.unders = UNDERS.map(([under]) =>
      make("input", {
        type: "radio",
        name: `${name}-under`,
        onchange: () =>
          actions.prefer(under === "none" ? { backdrop: false } : { backdrop: true, under }),
      }),
    );
    // One in the row where it fits, one in the sheet where not.
    this.opacities = [0, 1].map(() => this.#range("opacity", (opacity) => actions.prefer({ opacity })));
    this.volume = this.#range("volume", (volume) => actions.prefer({ volume }));
    this.names = this.#switch((names) => actions.prefer({ names }));
    this.audible = this.#switch((sound) => actions.prefer({ sound }));
    this.view = new Popover(
      "view",
      make("p", { said: { textContent: "masks" } }),
      ...this.shows.map((input, at) => make("label", {}, input, text(SHOWS[at][1]))),
      make("label", { className: "interact-wide" }, text("opacity"), this.opacities[1]),
      make("label", {}, this.names, text("names")),
      make("hr"),
      make("p", { said: { textContent: "picture" } }),
      ...this.unders.map((input, at) => make("label", {}, input, text(UNDERS[at][1]))),
      make("hr"),
      make("label", {}, this.audible, text("sound")),
      make("label", {}, text("volume"), this.volume),
    );
    this.saves = SAVES.map(([what, label]) =>
      make("button", {
        type: "button",
        className: "interact-button",
        said: { textContent: label },
        onclick: () => {
          this.save.toggle(false);
          actions.save(what);
        },
      }),
    );
    this.save = new Popover("save", ...this.saves);
    this.element = make(
      "div",
      { className: "interact-controls" },
      this.play,
      this.sound,
      make(
        "div",
        { className: "interact-modes", role: "group", said: { "aria-label": "drawnAs" } },
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

  /**
   * @param {"opacity" | "volume"} label @param {(value: number) => void} changed
   */
  #range(label, changed) {
    const said = { title: label, "aria-label": label };
    const input = make("input", { type: "range", min: "0", max: "1", step: "0.05", said });
    input.addEventListener("input", () => changed(Number(input.value)));
    return input;
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    this.play.replaceChildren(icon(playing ? PAUSE : PLAY));
    tell(this.play, playing ? { "aria-label": "pause", title: "pauseHint" } : { "aria-label": "play", title: "playHint" });
  }

  /** @param {boolean} on @param {boolean} some whether there is anything to be heard */
  #setSound(on, some) {
    const state = `${on} ${some}`;
    if (this.#sounds === state) return;
    this.#sounds = state;
    this.sound.replaceChildren(icon(on && some ? LOUD : MUTE));
    this.sound.setAttribute("aria-pressed", `${on && some}`);
    tell(this.sound, { "aria-label": "sound", title: some ? (on ? "soundOn" : "soundOff") : "soundNone" });
    for (const control of [this.sound, this.audible, this.volume]) control.disabled = !some;
    tell(this.saves[1], { textContent: on && some ? "saveVideoSound" : "saveVideo" });
  }

  /**
   * @param {Preferences} preferences @param {boolean} something whether there is anything to save
   * @param {boolean} sounds whether there is anything to be heard
   */
  update(preferences, something, sounds) {
    this.modes.forEach((button, at) =>
      button.setAttribute("aria-pressed", `${MODES[at][0] === preferences.mode}`),
    );
    this.shows.forEach((input, at) => (input.checked = SHOWS[at][0] === preferences.show));
    for (const input of this.opacities) input.value = `${preferences.opacity}`;
    const under = preferences.backdrop ? preferences.under : "none";
    this.unders.forEach((input, at) => (input.checked = UNDERS[at][0] === under));
    this.names.checked = preferences.names;
    this.audible.checked = preferences.sound;
    this.volume.value = `${preferences.volume}`;
    this.#setSound(preferences.sound, sounds);
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

/** @param {import("./words.js").Word} word */
const text = (word) => make("span", { said: { textContent: word } });
