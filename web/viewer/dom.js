// @ts-check
/**
 * An element with attributes, listeners (`onclick: ...`) and children. `aria-` and `data-` keys are attributes,
 * others are properties.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [settings] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, settings = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(settings)) {
    if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else /** @type {any} */ (element)[key] = value;
  }
  element.append(...children);
  return element;
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

/** A button that opens a small sheet above it, and the sheet. */
export class Popover {
  /** @param {string} label @param {...(Node | string)} content */
  constructor(label, ...content) {
    this.button = make("button", {
      type: "button",
      className: "interact-button",
      textContent: label,
      "aria-haspopup": "true",
      "aria-expanded": "false",
      onclick: () => this.toggle(),
    });
    this.sheet = make("div", { className: "interact-sheet", role: "group", "aria-label": label }, ...content);
    this.sheet.hidden = true;
  }

  /** @param {boolean} [open] */
  toggle(open = this.sheet.hidden) {
    this.sheet.hidden = !open;
    this.button.setAttribute("aria-expanded", `${open}`);
  }

  /** Closes it unless `target` lies in it. @param {EventTarget | null} target */
  leave(target) {
    const inside = target instanceof Node && (this.sheet.contains(target) || this.button.contains(target));
    if (!inside) this.toggle(false);
  }
}
