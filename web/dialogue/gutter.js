// @ts-check
/** What stands left of each lane: its colour, name, mute, solo, record and volume. */
import { make } from "../viewer/dom.js";
import { css } from "../viewer/palette.js";
import { decibels } from "./painter.js";

/** @typedef {import("./model.js").Lane} Lane */
/**
 * @typedef {object} LaneActions
 * @property {(index: number, fields: Partial<Lane>, kind?: string) => void} change
 * @property {(index: number) => void} remove
 * @property {(from: number, to: number) => void} move
 * @property {(index: number) => void} solo
 * @property {(index: number) => void} record
 * @property {() => void} add
 */

export class Gutter {
  /** @type {{id: number, element: HTMLElement, update: (lane: Lane, index: number, scene: GutterScene) => void}[]} */
  #tracks = [];

  /** @typedef {{solo: Set<number>, recording: number | undefined, colours: import("../viewer/types.js").Colour[]}} GutterScene */

  /** @param {import("./words.js").Words} words @param {LaneActions} actions */
  constructor(words, actions) {
    this.words = words;
    this.actions = actions;
    this.tracks = make("div");
    const more = make("button", { type: "button", className: "interact-more", textContent: `+ ${words.say("addLane")}`, onclick: actions.add });
    this.element = make("div", { className: "interact-gutter" }, this.tracks, more);
  }

  /** @param {Lane[]} lanes @param {GutterScene} scene */
  update(lanes, scene) {
    if (lanes.map(({ id }) => id).join() !== this.#tracks.map(({ id }) => id).join()) {
      const known = new Map(this.#tracks.map((track) => [track.id, track]));
      this.#tracks = lanes.map((lane) => known.get(lane.id) ?? this.#track(lane));
      this.tracks.replaceChildren(...this.#tracks.map(({ element }) => element));
    }
    this.#tracks.forEach((track, index) => track.update(lanes[index], index, scene));
  }

  /** @param {Lane} lane */
  #track({ id }) {
    const { words, actions } = this;
    let index = 0;
    const swatch = make("button", { type: "button", className: "interact-swatch" });
    swatch.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      actions.move(index, index + by);
      swatch.focus(); // it was taken out of the page and put back
    });
    swatch.addEventListener("pointerdown", (event) => {
      swatch.setPointerCapture(event.pointerId);
      event.stopPropagation(); // else ComfyUI drags the node
    });
    swatch.addEventListener("pointerup", ({ clientY }) => {
      const to = this.#tracks.findIndex((track) => clientY < track.element.getBoundingClientRect().bottom);
      actions.move(index, to < 0 ? this.#tracks.length - 1 : to);
    });
    const name = make("input", { className: "interact-track-name", type: "text", spellcheck: false, maxLength: 80 });
    name.addEventListener("change", () => actions.change(index, { name: name.value.trim() || words.say("character", { number: index + 1 }) }));
    const tool = (/** @type {string} */ kind, /** @type {string} */ letter, /** @type {() => void} */ onclick) =>
      make("button", { type: "button", className: kind, textContent: letter, onclick });
    const mute = tool("interact-track-mute", "M", () => actions.change(index, { mute: mute.getAttribute("aria-pressed") !== "true" }));
    const solo = tool("interact-track-solo", "S", () => actions.solo(index));
    const record = tool("interact-track-record", "", () => actions.record(index));
    const gain = make("input", { type: "range", min: "0", max: "2", step: "0.05" });
    gain.addEventListener("input", () => actions.change(index, { gain: Number(gain.value) }, `gain of ${id}`));
    const remove = tool("interact-track-remove", "×", () => actions.remove(index));
    const tools = make("div", { className: "interact-track-tools" }, mute, solo, record, gain);
    const element = make("div", { className: "interact-track", role: "group" }, swatch, name, remove, tools);
    /** @param {HTMLElement} target @param {string} text @param {boolean} [pressed] */
    const tell = (target, text, pressed) => {
      target.title = text;
      target.setAttribute("aria-label", text);
      if (pressed !== undefined) target.setAttribute("aria-pressed", `${pressed}`);
    };
    return {
      id,
      element,
      update: (/** @type {Lane} */ lane, /** @type {number} */ at, /** @type {GutterScene} */ scene) => {
        index = at;
        const called = { name: lane.name, number: at + 1 };
        if (document.activeElement !== name) name.value = lane.name;
        element.setAttribute("aria-label", lane.name);
        element.toggleAttribute("data-silent", scene.solo.size ? !scene.solo.has(id) : lane.mute);
        swatch.style.background = css(scene.colours[at]);
        gain.value = `${lane.gain}`;
        gain.setAttribute("aria-valuetext", decibels(lane.gain));
        tell(name, words.say("laneName", called));
        tell(swatch, words.say("laneMove", called));
        tell(gain, `${words.say("laneGain", called)}: ${decibels(lane.gain)}`);
        tell(mute, words.say("muteLane", called), lane.mute);
        tell(solo, words.say("soloLane", called), scene.solo.has(id));
        tell(record, words.say(scene.recording === at ? "stopRecording" : "recordLane", called), scene.recording === at);
        tell(remove, words.say("removeLane", called));
      },
    };
  }
}
