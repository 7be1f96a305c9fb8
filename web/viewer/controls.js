// @ts-check
import { LOUD, MUTE, PAUSE, PLAY, Popover, icon, make, tell } from "./dom.js";
import { MODES } from "./preferences.js";
import { ViewMenu, range, text, tick } from "./view_menu.js";

/** @typedef {import("./types.js").Preferences} Preferences */
/**
 * @typedef {object} Actions
 * @property {() => void} play
 * @property {() => void} mute turns the sound off, or on again
 * @property {(change: Partial<Preferences>) => void} prefer
 * @property {() => void} keepRun beside the next one
 * @property {(what: "picture" | "video" | "sheet") => void} save
 */

/** @type {Record<typeof MODES[number], import("./words.js").Word>} */
const HINTS = { soft: "softHint", outline: "outlineHint", winner: "winnerHint", heat: "heatHint" };

const SAVES = /** @type {const} */ ([
  ["picture", "savePicture"],
  ["video", "saveVideo"],
  ["sheet", "saveSheet"],
]);

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
    this.modes = MODES.map((mode) =>
      make("button", {
        type: "button",
        className: `interact-button interact-${mode}`,
        said: { textContent: mode, title: HINTS[mode] },
        onclick: () => actions.prefer({ mode }),
      }),
    );
    this.opacity = range("opacity", (opacity) => actions.prefer({ opacity })); // where it fits; else in the sheet
    this.view = new ViewMenu(actions.prefer, actions.keepRun);
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
    this.stamped = tick((stamped) => actions.prefer({ stamped }));
    this.save = new Popover(
      "save",
      ...this.saves,
      make("hr"),
      make("label", {}, this.stamped, text("stamped")),
    );
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
      make("label", { className: "interact-opacity" }, this.opacity),
      make("span", { className: "interact-gap" }),
      this.view.button,
      this.save.button,
    );
    this.setPlaying(false);
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
    this.sound.disabled = !some;
    tell(this.saves[1], { textContent: on && some ? "saveVideoSound" : "saveVideo" });
  }

  /**
   * @param {Preferences} preferences @param {boolean} something whether there is anything to save
   * @param {boolean} sounds whether there is anything to be heard
   */
  update(preferences, something, sounds) {
    this.modes.forEach((button, at) =>
      button.setAttribute("aria-pressed", `${MODES[at] === preferences.mode}`),
    );
    this.opacity.value = `${preferences.opacity}`;
    this.stamped.checked = preferences.stamped;
    this.view.update(preferences, sounds);
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
