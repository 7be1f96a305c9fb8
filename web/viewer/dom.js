// @ts-check
import { say } from "./words.js";

/** @typedef {import("./words.js").Word} Word */
/** @typedef {Word | [Word, Record<string, string>]} Saying a text of the viewer, and its values */

/**
 * An element with attributes, listeners (`onclick: ...`) and children. `aria-` and `data-` keys are attributes,
 * others are properties; what `said` holds by key is a text of the viewer, see `tell`.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [settings] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, settings = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(settings)) {
    if (key === "said") tell(element, value);
    else if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else /** @type {any} */ (element)[key] = value;
  }
  element.append(...children);
  return element;
}

/**
 * Gives an element texts of the viewer, in whatever language is spoken.
 * @param {HTMLElement} element @param {Record<string, Saying>} said by attribute or property
 */
export function tell(element, said) {
  element.dataset.said = JSON.stringify({ ...JSON.parse(element.dataset.said ?? "{}"), ...said });
  for (const [key, saying] of Object.entries(said)) {
    const text = Array.isArray(saying) ? say(...saying) : say(saying);
    if (key.includes("-")) element.setAttribute(key, text);
    else if (/** @type {any} */ (element)[key] !== text) /** @type {any} */ (element)[key] = text;
  }
}

/** Tells everything again, in another language. @param {HTMLElement} within */
export function tellAgain(within) {
  for (const element of [within, .../** @type {NodeListOf<HTMLElement>} */ (within.querySelectorAll("[data-said]"))])
    tell(element, JSON.parse(element.dataset.said ?? "{}"));
}

/** A drawing of 16 by 16 in the colour of the text. @param {string} path */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

export const PLAY = "M4.5 2.8v10.4L13 8z";
export const PAUSE = "M4 3h3v10H4zM9 3h3v10H9z";
const SPEAKER = "M1.5 6v4h2.8L8 13V3L4.3 6z";
export const LOUD = `${SPEAKER}M10 5.4l.9-.9a5 5 0 0 1 0 7l-.9-.9a3.7 3.7 0 0 0 0-5.2zM12.3 3.1l.9-.9a8.2 8.2 0 0 1 0 11.6l-.9-.9a7 7 0 0 0 0-9.8z`;
export const MUTE = `${SPEAKER}M10 6.3l.8-.8 1.7 1.7 1.7-1.7.8.8L13.3 8l1.7 1.7-.8.8-1.7-1.7-1.7 1.7-.8-.8L11.7 8z`;

/** A button that opens a small sheet above it, and the sheet. */
export class Sheet {
  /**
   * @param {Record<string, any>} button @param {Record<string, any>} sheet settings that name them, as of `make`
   * @param {...(Node | string)} content
   */
  constructor(button, sheet, ...content) {
    this.button = make("button", {
      type: "button",
      className: "interact-button",
      "aria-haspopup": "true",
      "aria-expanded": "false",
      onclick: () => this.toggle(),
      ...button,
    });
    this.sheet = make("div", { className: "interact-sheet", role: "group", ...sheet }, ...content);
    this.sheet.hidden = true;
  }

  get isOpen() {
    return !this.sheet.hidden;
  }

  /** @param {boolean} [open] */
  toggle(open = !this.isOpen) {
    this.sheet.hidden = !open;
    this.button.setAttribute("aria-expanded", `${open}`);
  }

  /** Closes it unless `target` lies in it. @param {EventTarget | null} target */
  leave(target) {
    const inside = target instanceof Node && (this.sheet.contains(target) || this.button.contains(target));
    if (!inside) this.toggle(false);
  }
}

/** A sheet under a text of the viewer, in whatever language is spoken. */
export class Popover extends Sheet {
  /** @param {Word} label @param {...(Node | string)} content */
  constructor(label, ...content) {
    super({ said: { textContent: label } }, { said: { "aria-label": label } }, ...content);
  }
}
