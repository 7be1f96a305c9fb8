// @ts-check
/** @typedef {import("./types.js").Colour} Colour */

/**
 * Okabe and Ito, "Color Universal Design" (2008): told apart with any kind of colour vision. The same colours
 * in the same order as interact_core/preview/palette.py (a test compares).
 * @type {Colour[]}
 */
export const OKABE_ITO = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [204, 121, 167],
  [240, 228, 66],
  [213, 94, 0],
  [0, 114, 178],
];

/** Behind everything. @type {Colour} */
export const PAPER = [28, 28, 30];

/**
 * A colour for each of `count` characters; from the eighth on they repeat, darker each time.
 * @param {number} count
 * @returns {Colour[]}
 */
export function characterColours(count) {
  return Array.from({ length: count }, (_, number) => {
    const darker = 0.7 ** Math.floor(number / OKABE_ITO.length);
    const [red, green, blue] = OKABE_ITO[number % OKABE_ITO.length];
    return [Math.round(red * darker), Math.round(green * darker), Math.round(blue * darker)];
  });
}

/** How a character's line is broken, so that lines differ by more than colour. @param {number} number */
export function dashes(number) {
  return [[], [6, 3], [2, 2.5], [9, 3, 2, 3]][number % 4];
}

/** @param {Colour} colour @param {number} [alpha] */
export function css([red, green, blue], alpha = 1) {
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}
