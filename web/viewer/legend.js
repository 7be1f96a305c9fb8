// @ts-check
import { icon, make } from "./dom.js";
import { css } from "./palette.js";
import { percent } from "./words.js";

/** @typedef {import("./types.js").Colour} Colour */

const SAMPLES = ["none", "6.5 3", "2.5 2", "7 2.5 2.5 4"]; // of `dashes` in palette.js, as long as a swatch

/**
 * Everybody's name, with the colour and the line of the strip. A click switches a character off; while the
 * pointer is on the picture it says how sure the masks are there.
 */
export class Legend {
  /** @type {{button: HTMLButtonElement, value: HTMLElement}[]} */
  #chips = [];
  #shown = "";

  /** @param {(character: number, alone: boolean) => void} toggle */
  constructor(toggle) {
    this.toggle = toggle;
    this.element = make("div", { className: "interact-legend", role: "group", said: { "aria-label": "characters" } });
  }

  /** @param {string[]} names @param {Colour[]} colours @param {number[]} visible */
  update(names, colours, visible) {
    const key = JSON.stringify([names, visible]);
    if (key === this.#shown) return;
    this.#shown = key;
    if (
      this.#chips.length !== names.length ||
      this.#chips.some(({ button }, at) => button.name !== names[at])
    ) {
      this.#chips = names.map((name, number) => this.#chip(name, number, colours[number]));
      this.element.replaceChildren(...this.#chips.map(({ button }) => button));
    }
    this.#chips.forEach(({ button }, number) =>
      button.setAttribute("aria-pressed", `${visible.includes(number)}`),
    );
  }

  /** @param {string} name @param {number} number @param {Colour} colour */
  #chip(name, number, colour) {
    const swatch = icon("M0 8h16");
    swatch.classList.add("interact-swatch");
    swatch.style.stroke = css(colour);
    swatch.style.strokeDasharray = SAMPLES[number % SAMPLES.length];
    const value = make("span", { className: "interact-value" });
    const button = make(
      "button",
      {
        type: "button",
        className: "interact-chip",
        name,
        said: { title: ["chipHint", { name }] },
        onclick: (/** @type {MouseEvent} */ event) => this.toggle(number, event.shiftKey),
      },
      swatch,
      make("span", { className: "interact-name", textContent: name }),
      value,
    );
    return { button, value };
  }

  /** How sure every mask is under the pointer, or how much surer it has become. @param {import("./stage.js").Reading | null} reading */
  read(reading) {
    this.#chips.forEach(({ value }, number) => {
      const share = Math.round((100 * (reading?.values[number] ?? 0)) / 255) / 100;
      const words = reading ? `${reading.signed && share > 0 ? "+" : ""}${percent(share)}` : "";
      if (value.textContent !== words) value.textContent = words;
    });
  }
}
