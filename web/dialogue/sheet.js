// @ts-check
import { make } from "../viewer/dom.js";

/** A button that opens a small sheet above it: as the viewer's Popover, with texts of the caller's. */
export class Sheet {
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
