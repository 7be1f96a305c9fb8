// @ts-check
/** @typedef {import("./types.js").Colour} Colour */

const SURE = 128; // the mask value that outlines follow and winners need, of 255
const WORK = 1_200_000; // values that may be read for one picture; keeps it below a few milliseconds
/** @type {Colour} */
const PALE = [235, 235, 235];
/**
 * From 0 to 1: "viridis" of matplotlib (CC0) in nine places, of which equal steps look equal, with any kind of colour
 * vision and in grey.
 * @type {Colour[]}
 */
const HEAT = [
  [68, 1, 84],
  [71, 45, 123],
  [59, 82, 139],
  [44, 114, 142],
  [33, 145, 140],
  [40, 174, 128],
  [94, 201, 98],
  [173, 220, 48],
  [253, 231, 37],
];

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
 * By how much what is composed pixel by pixel is enlarged, so that borders are curves and not stairs.
 * @param {number} width @param {number} height @param {number} characters
 */
export function scaleFor(width, height, characters) {
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
  const alpha = Math.round(255 * opacity);
  enlarged(masks, width, height, scale, (values, at) => {
    let best = SURE - 0.5;
    let winner = -1;
    for (let character = 0; character < values.length; character++)
      if (values[character] > best) {
        best = values[character];
        winner = character;
      }
    if (winner >= 0) put(out, at, colours[winner], alpha);
    else out[at + 3] = 0;
  });
}

/**
 * The highest of the probabilities, as a colour of `HEAT`. What `composeWinner` takes; less of what lies behind is seen
 * than there, as it would change what the colours say.
 * @param {Uint8ClampedArray} out @param {Uint8Array[]} masks @param {number} opacity 0..1
 * @param {number} width @param {number} height @param {number} scale
 */
export function composeHeat(out, masks, opacity, width, height, scale) {
  const alpha = Math.round(255 * (1 - (1 - opacity) ** 2));
  enlarged(masks, width, height, scale, (values, at) => {
    let most = 0;
    for (const value of values) most = Math.max(most, value);
    put(out, at, heatOf(most / 255), alpha);
  });
}

/**
 * Stripes in the colours of all whose masks are above one half, where several are; and thin pale ones where none is.
 * What `composeWinner` takes, and which of the two to mark.
 * @param {Uint8ClampedArray} out @param {Uint8Array[]} masks @param {Colour[]} colours
 * @param {{contested: boolean, unclaimed: boolean}} which
 * @param {number} width @param {number} height @param {number} scale
 */
export function composeMarks(out, masks, colours, { contested, unclaimed }, width, height, scale) {
  const stripe = Math.max(1, Math.round((width * scale) / 64)); // pixels
  const claimants = new Int32Array(masks.length);
  enlarged(masks, width, height, scale, (values, at, x, y) => {
    let count = 0;
    for (let character = 0; character < values.length; character++)
      if (values[character] > SURE - 0.5) claimants[count++] = character;
    out[at + 3] = 0;
    if (contested && count > 1)
      put(out, at, colours[claimants[Math.floor((x + y) / stripe) % count]], 255);
    else if (unclaimed && !count && (x - y + height * scale) % (2 * stripe) < stripe / 3)
      put(out, at, PALE, 110);
  });
}

/**
 * How far two steps' masks are apart, in place of masks.
 * @param {Uint8Array[]} before @param {Uint8Array[]} after @returns {Uint8Array[]}
 */
export function differences(before, after) {
  return after.map((mask, character) => mask.map((value, cell) => Math.abs(value - before[character][cell])));
}

/** The colour of a probability, 0..1. @param {number} share @returns {Colour} */
export function heatOf(share) {
  const place = Math.min(Math.max(share, 0), 1) * (HEAT.length - 1);
  const from = Math.min(Math.floor(place), HEAT.length - 2);
  const [one, other] = [HEAT[from], HEAT[from + 1]];
  const rest = place - from;
  return [one[0] + rest * (other[0] - one[0]), one[1] + rest * (other[1] - one[1]), one[2] + rest * (other[2] - one[2])];
}

/** @param {Uint8ClampedArray} out @param {number} at @param {Colour} colour @param {number} alpha */
function put(out, at, [red, green, blue], alpha) {
  out[at] = red;
  out[at + 1] = green;
  out[at + 2] = blue;
  out[at + 3] = alpha;
}

/**
 * Masks enlarged bilinearly, pixel by pixel.
 * @param {Uint8Array[]} masks @param {number} width @param {number} height @param {number} scale
 * @param {(values: Float32Array, at: number, x: number, y: number) => void} take the masks' values there, the place of
 *   the pixel in RGBA, and in the picture
 */
function enlarged(masks, width, height, scale, take) {
  const across = neighbours(width, scale);
  const down = neighbours(height, scale);
  const values = new Float32Array(masks.length);
  let at = 0;
  for (let y = 0; y < height * scale; y++) {
    const upper = down.first[y] * width;
    const lower = down.second[y] * width;
    const v = down.share[y];
    for (let x = 0; x < width * scale; x++, at += 4) {
      const left = across.first[x];
      const right = across.second[x];
      const u = across.share[x];
      for (let character = 0; character < masks.length; character++) {
        const mask = masks[character];
        const top = mask[upper + left] + u * (mask[upper + right] - mask[upper + left]);
        const bottom = mask[lower + left] + u * (mask[lower + right] - mask[lower + left]);
        values[character] = top + v * (bottom - top);
      }
      take(values, at, x, y);
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
