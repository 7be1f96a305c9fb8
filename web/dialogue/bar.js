// @ts-check
/** What stands below the lanes: a row for the clip that is selected, and the quiet row of buttons. */
import { PAUSE, PLAY, Sheet, icon, make } from "../viewer/dom.js";
import { decibels } from "./painter.js";
import { secondsOf } from "./model.js";
import { keyHelp } from "./words.js";

/** @typedef {import("./words.js").Words} Words */
/** @typedef {import("./model.js").Clip} Clip */

const LOWEST = -24; // dB
const HIGHEST = 12;

/** The clip that is selected. */
export class ClipRow {
  /**
   * @param {Words} words
   * @param {{change: (fields: Partial<Clip>, kind?: string) => void, mute: () => void, split: () => void, remove: () => void}} actions
   */
  constructor(words, actions) {
    this.words = words;
    this.label = make("input", { type: "text", className: "interact-label", placeholder: words.say("label"), "aria-label": words.say("label") });
    this.label.addEventListener("change", () => actions.change({ label: this.label.value.trim() }));
    this.place = make("span", { className: "interact-place" });
    this.gain = make("input", { type: "range", min: `${LOWEST}`, max: `${HIGHEST}`, step: "0.5", "aria-label": words.say("gain") });
    this.gain.addEventListener("input", () => actions.change({ gain: factor(Number(this.gain.value)) }, "gain of a clip"));
    this.level = make("output");
    this.mute = button(words.say("mute"), actions.mute);
    this.element = make(
      "div",
      { className: "interact-clip", role: "group" },
      make("span", { className: "interact-hint", textContent: words.say("empty") }),
      this.label,
      this.place,
      make("label", {}, words.say("gain"), this.gain, this.level),
      this.mute,
      button(words.say("split"), actions.split),
      button(words.say("remove"), actions.remove),
    );
  }

  /** @param {Clip | undefined} clip @param {boolean} empty whether there is no clip at all */
  update(clip, empty) {
    this.element.toggleAttribute("data-none", !clip);
    /** @type {HTMLElement} */ (this.element.firstChild).hidden = !empty;
    if (!clip) return;
    if (document.activeElement !== this.label) this.label.value = clip.label;
    this.place.textContent = `${clip.start.toFixed(2)} s  ·  ${secondsOf(clip).toFixed(2)} s`;
    this.gain.value = `${Math.round(40 * Math.log10(Math.max(1e-3, clip.gain))) / 2}`;
    this.level.textContent = decibels(clip.gain);
    this.gain.setAttribute("aria-valuetext", decibels(clip.gain));
    this.mute.setAttribute("aria-pressed", `${clip.mute}`);
  }
}

/** @param {number} level dB */
export const factor = (level) => Math.round(1e4 * 10 ** (level / 20)) / 1e4;

/**
 * @typedef {object} BarActions
 * @property {() => void} play
 * @property {() => void} loop
 * @property {(factor: number) => void} zoom
 * @property {() => void} fit
 * @property {(pause: number) => void} inTurn
 * @property {() => void} spread
 * @property {() => void} addLane
 * @property {(files: File[]) => void} addFiles
 * @property {() => void} undo
 * @property {() => void} redo
 */

export class Bar {
  /** @param {Words} words @param {BarActions} actions */
  constructor(words, actions) {
    this.words = words;
    this.play = button("", actions.play, "interact-play");
    this.loop = button(words.say("loop"), actions.loop);
    this.loop.title = words.say("loopHint");
    this.undo = narrow("↶", words.say("undo"), actions.undo);
    this.redo = narrow("↷", words.say("redo"), actions.redo);
    const pause = make("input", { type: "number", value: "0.3", min: "0", max: "60", step: "0.1" });
    const closing = (/** @type {() => void} */ act) => () => {
      this.leave();
      act();
    };
    this.arrange = sheet(
      words.say("arrange"),
      make("label", {}, words.say("pauseBetween"), pause),
      button(words.say("inTurn"), closing(() => actions.inTurn(Math.max(0, Number(pause.value) || 0)))),
      button(words.say("spread"), closing(actions.spread)),
    );
    const chooser = make("input", { type: "file", multiple: true, accept: "audio/*,video/*,.srt,.vtt,.rttm,.txt" });
    chooser.addEventListener("change", () => {
      actions.addFiles([...(chooser.files ?? [])]);
      chooser.value = "";
    });
    this.add = sheet(
      words.say("add"),
      button(words.say("addLane"), closing(actions.addLane)),
      button(words.say("addFiles"), closing(() => chooser.click())),
    );
    const keys = keyHelp().flatMap(([key, text]) => [make("dt", { textContent: key }), make("dd", { textContent: text })]);
    this.help = sheet(words.say("help"), make("dl", { className: "interact-keys" }, ...keys));
    this.sheets = [this.arrange, this.add, this.help];
    this.element = make(
      "div",
      { className: "interact-controls" },
      this.play,
      this.loop,
      this.undo,
      this.redo,
      make("span", { className: "interact-gap" }),
      make(
        "span",
        { className: "interact-zoom" },
        narrow("−", words.say("wider"), () => actions.zoom(1 / 1.5)),
        narrow("+", words.say("closer"), () => actions.zoom(1.5)),
      ),
      Object.assign(button(words.say("fit"), actions.fit), { title: words.say("fitHint") }),
      ...this.sheets.map((sheet) => sheet.button),
    );
    this.update({ playing: false, looping: false, canUndo: false, canRedo: false });
  }

  /** @param {{playing: boolean, looping: boolean, canUndo: boolean, canRedo: boolean}} state */
  update({ playing, looping, canUndo, canRedo }) {
    const text = this.words.say(playing ? "pause" : "play");
    if (this.play.title !== text) {
      this.play.replaceChildren(icon(playing ? PAUSE : PLAY));
      this.play.title = text;
      this.play.setAttribute("aria-label", text);
    }
    this.loop.setAttribute("aria-pressed", `${looping}`);
    this.undo.disabled = !canUndo;
    this.redo.disabled = !canRedo;
  }

  get isOpen() {
    return this.sheets.some(({ isOpen }) => isOpen);
  }

  /** Closes what is open. @param {EventTarget | null} [target] where somebody clicked */
  leave(target = null) {
    for (const sheet of this.sheets) sheet.leave(target);
  }
}

/** @param {string} label @param {() => void} onclick @param {string} [more] */
function button(label, onclick, more = "") {
  return make("button", { type: "button", className: `interact-button ${more}`.trim(), textContent: label, onclick });
}

/** @param {string} label @param {...(Node | string)} content */
const sheet = (label, ...content) => new Sheet({ textContent: label }, { "aria-label": label }, ...content);

/** @param {string} sign @param {string} label @param {() => void} onclick */
function narrow(sign, label, onclick) {
  const made = button(sign, onclick, "interact-sign");
  made.title = label;
  made.setAttribute("aria-label", label);
  return made;
}
