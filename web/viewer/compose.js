// @ts-check
/** @typedef {import("./types.js").Colour} Colour */

const SURE = 128; // the mask value that outlines follow and winners need, of 255
const WORK = 1_200_000; // values that `winner` may read; keeps it below a few milliseconds

/**
 * Everybody's colour, as strong as the masks are sure; where two meet, both are seen (the same sum as
 * interact_core/preview/overlay.py).
 * @param {Uint8ClampedArray} out RGBA, as long as a mask times four
 * @param {Uint8Array[]} masks one per character
 * @param {Colour[]} colours
 * @param {number} opacity 0..1
 */
export function composeSoft(out, masks, colours, opacity) {
  const cells = out.length / 4;
  for (let cell = 0; cell < cells; cell++) {
    let sum = 0;
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let character = 0; character < masks.length; character++) {
      const share = masks[character][cell];
      if (!share) continue;
      const colour = colours[character];
      sum += share;
      red += share * colour[0];
      green += share * colour[1];
      blue += share * colour[2];
    }
    const at = 4 * cell;
    out[at] = sum ? red / sum : 0;
    out[at + 1] = sum ? green / sum : 0;
    out[at + 2] = sum ? blue / sum : 0;
    out[at + 3] = opacity * Math.min(sum, 255);
  }
}

/**
 * By how much `composeWinner` enlarges, so that borders are curves and not stairs.
 * @param {number} width @param {number} height @param {number} characters
 */
export function winnerScale(width, height, characters) {
  const affordable = Math.sqrt(WORK / (width * height * Math.max(1, characters)));
  return Math.max(1, Math.min(8, Math.floor(affordable), Math.ceil(480 / width)));
}

/**
 * Every pixel to the one whose mask is highest there, to nobody where all are below one half.
 * @param {Uint8ClampedArray} out RGBA of width * scale by height * scale
 * @param {Uint8Array[]} masks @param {Colour[]} colours @param {number} opacity 0..1
 * @param {number} width @param {number} height of a mask
 * @param {number} scale a whole number
 */
export function composeWinner(out, masks, colours, opacity, width, height, scale) {
  const across = neighbours(width, scale);
  const down = neighbours(height, scale);
  const alpha = Math.round(255 * opacity);
  let at = 0;
  for (let y = 0; y < height * scale; y++) {
    const upper = down.first[y] * width;
    const lower = down.second[y] * width;
    const v = down.share[y];
    for (let x = 0; x < width * scale; x++, at += 4) {
      const left = across.first[x];
      const right = across.second[x];
      const u = across.share[x];
      let best = SURE - 0.5;
      let winner = -1;
      for (let character = 0; character < masks.length; character++) {
        const mask = masks[character];
        const top = mask[upper + left] + u * (mask[upper + right] - mask[upper + left]);
        const bottom = mask[lower + left] + u * (mask[lower + right] - mask[lower + left]);
        const value = top + v * (bottom - top);
        if (value > best) {
          best = value;
          winner = character;
        }
      }
      if (winner < 0) {
        out[at + 3] = 0;
        continue;
      }
      const colour = colours[winner];
      out[at] = colour[0];
      out[at + 1] = colour[1];
      out[at + 2] = colour[2];
      out[at + 3] = alpha;
    }
  }
}

/** The two cells that each enlarged pixel lies between. @param {number} size @param {number} scale */
function neighbours(size, scale) {
  const count = size * scale;
  const first = new Int32Array(count);
  const second = new Int32Array(count);
  const share = new Float32Array(count);
  for (let at = 0; at < count; at++) {
    const place = Math.min(Math.max((at + 0.5) / scale - 0.5, 0), size - 1);
    first[at] = Math.floor(place);
    second[at] = Math.min(first[at] + 1, size - 1);
    share[at] = place - first[at];
  }
  return { first, second, share };
}

/**
 * The line on which a mask passes one half, as pieces [x0, y0, x1, y1, ...] in cells (marching squares; the
 * middle of the first cell is 0.5, 0.5).
 * @param {Uint8Array} mask @param {number} width @param {number} height
 * @returns {number[]}
 */
export function outlineOf(mask, width, height) {
  /** @type {number[]} */
  const pieces = [];
  const level = SURE - 0.5;
  for (let y = 0; y + 1 < height; y++)
    for (let x = 0; x + 1 < width; x++) {
      const at = y * width + x;
      const a = mask[at];
      const b = mask[at + 1];
      const c = mask[at + width + 1];
      const d = mask[at + width];
      const kind = (a > level ? 8 : 0) | (b > level ? 4 : 0) | (c > level ? 2 : 0) | (d > level ? 1 : 0);
      if (kind === 0 || kind === 15) continue;
      const left = x + 0.5;
      const top = y + 0.5;
      const cross = (/** @type {number} */ from, /** @type {number} */ to) => (level - from) / (to - from);
      /** Where the line crosses each side of the square. */
      const sides = {
        n: () => pieces.push(left + cross(a, b), top),
        e: () => pieces.push(left + 1, top + cross(b, c)),
        s: () => pieces.push(left + cross(d, c), top + 1),
        w: () => pieces.push(left, top + cross(a, d)),
      };
      const middle = (a + b + c + d) / 4 > level;
      for (const side of SQUARES[kind === 5 && middle ? 16 : kind === 10 && middle ? 17 : kind])
        sides[/** @type {"n" | "e" | "s" | "w"} */ (side)]();
    }
  return pieces;
}

// Sides that the line connects, by which corners (a b c d, clockwise from the upper left) lie inside; 16 and
// 17 are the two ambiguous squares with an inside middle.
// prettier-ignore
const SQUARES = [
  "", "sw", "es", "ew", "ne", "nesw", "ns", "nw", "nw", "ns", "nwes", "ne", "ew", "es", "sw", "",
  "nwes", "nesw",
];

/**
 * Where a name belongs: over the middle of what is surely this character, in cells; null for nobody.
 * @param {Uint8Array} mask @param {number} width @param {number} height
 */
export function placeOfName(mask, width, height) {
  let count = 0;
  let columns = 0;
  let top = -1;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (mask[y * width + x] >= SURE) {
        if (top < 0) top = y;
        count++;
        columns += x + 0.5;
      }
  return count ? { x: columns / count, y: top } : null;
}
