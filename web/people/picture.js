// @ts-check
/** The crop that the model sees, with the people in it: one clicks on them. The list beside it is for keys and readers. */
import { characterColours, css } from "../viewer/palette.js";
import { OUTLINE } from "./model.js";
import { words } from "./words.js";

/** @typedef {import("./model.js").View} View */
/** @typedef {import("./model.js").Lineup} Lineup */

const SPACE = "http://www.w3.org/2000/svg";
const TEXT = 0.07; // of the crop's shorter side

/** @param {string} tag @param {Record<string, string | number>} [attributes] */
function draw(tag, attributes = {}) {
  const made = document.createElementNS(SPACE, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, `${value}`);
  return made;
}

/** The colour of a number, as everywhere else. @param {number} index @param {number} [alpha] */
export const colourOf = (index, alpha = 1) => css(characterColours(index + 1)[index], alpha);

export class Picture {
  /** @param {{click: (found: number) => void, gone: () => void}} actions */
  constructor(actions) {
    this.actions = actions;
    this.element = draw("svg", { class: "interact-people-picture", role: "img" });
    this.image = draw("image", { preserveAspectRatio: "none" });
    this.image.addEventListener("error", () => actions.gone());
    this.people = draw("g");
    this.element.append(this.image, this.people);
  }

  /**
   * @param {View} view @param {string} address of the crop @param {Lineup} lineup
   * @param {{selected: number | null, merging: boolean}} state
   */
  show(view, address, lineup, { selected, merging }) {
    const [left, top, width, height] = view.crop;
    this.element.setAttribute("viewBox", `${left} ${top} ${width} ${height}`);
    this.element.setAttribute("aria-label", words.say("picture", { count: lineup.people.length }));
    this.element.toggleAttribute("data-merging", merging);
    for (const [key, value] of Object.entries({ x: left, y: top, width, height })) this.image.setAttribute(key, `${value}`);
    if (this.image.getAttribute("href") !== address) this.image.setAttribute("href", address);
    const numbers = new Map(lineup.people.flatMap(({ found }, index) => found.map((one) => [one, index])));
    const shapes = view.found.map((one, found) => this.#shape(view, found, numbers.get(found), selected));
    const smallestLast = [...view.found.keys()].sort((a, b) => spread(view.found[b].outline) - spread(view.found[a].outline));
    const labels = [...numbers].map(([found, index]) => label(view, found, index, lineup.people[index].called));
    this.people.replaceChildren(...smallestLast.map((found) => shapes[found]), ...labels);
  }

  /** @param {View} view @param {number} found @param {number | undefined} index @param {number | null} selected */
  #shape(view, found, index, selected) {
    const [width, height] = view.size;
    const ring = (/** @type {number[]} */ numbers) => {
      const corners = [];
      for (let at = 0; at < numbers.length; at += 2)
        corners.push(`${((numbers[at] / OUTLINE) * width).toFixed(1)} ${((numbers[at + 1] / OUTLINE) * height).toFixed(1)}`);
      return `M${corners.join("L")}Z`;
    };
    const dropped = index === undefined;
    const path = draw("path", {
      d: view.found[found].outline.map(ring).join(""),
      "fill-rule": "evenodd",
      "vector-effect": "non-scaling-stroke",
      "data-found": found,
      ...(dropped ? { "data-dropped": "" } : { stroke: colourOf(index), fill: colourOf(index, selected === index ? 0.42 : 0.22) }),
      ...(index === selected ? { "data-selected": "" } : {}),
    });
    path.addEventListener("click", () => this.actions.click(found));
    return path;
  }
}

/** @param {number[][]} outline */
function spread(outline) {
  const xs = outline.flatMap((ring) => ring.filter((_, at) => at % 2 === 0));
  const ys = outline.flatMap((ring) => ring.filter((_, at) => at % 2));
  return xs.length ? (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys)) : 0;
}

/** Number and name, within the crop. @param {View} view @param {number} found @param {number} index @param {string} name */
function label(view, found, index, name) {
  const [left, top, width, height] = view.crop;
  const size = Math.min(width, height) * TEXT;
  const [x, y] = view.found[found].at.map((share, axis) => share * view.size[axis]);
  const text = draw("text", {
    x: Math.min(left + width - 2 * size, Math.max(left + 2 * size, x)),
    y: Math.min(top + height - size, Math.max(top + size, y)),
    "font-size": size,
    "stroke-width": size / 4,
  });
  text.textContent = `${index + 1}  ${name}`;
  return text;
}
