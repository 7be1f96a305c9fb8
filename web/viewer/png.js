// @ts-check
/**
 * An 8-bit grey PNG to its bytes. Done here because a canvas would hold four bytes for each, may apply a
 * colour profile, and is deliberately noisy to read in browsers that guard against fingerprinting.
 */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
export const UNREADABLE = "a picture of masks cannot be read";

/**
 * @param {ArrayBuffer} file
 * @returns {Promise<{width: number, height: number, pixels: Uint8Array}>}
 */
export async function decodeGreyPng(file) {
  const bytes = new Uint8Array(file);
  const view = new DataView(file);
  if (bytes.length < 33 || SIGNATURE.some((byte, at) => bytes[at] !== byte)) throw new Error(UNREADABLE);
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const [depth, colourType, , , interlaced] = bytes.subarray(24, 29);
  if (depth !== 8 || colourType !== 0 || interlaced || !width || !height) throw new Error(UNREADABLE);
  /** @type {Uint8Array[]} */
  const parts = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    if (kind === "IEND") break;
    at += length + 12;
  }
  return { width, height, pixels: unfilter(await inflate(parts), width, height) };
}

/** @param {Uint8Array[]} parts @returns {Promise<Uint8Array>} */
async function inflate(parts) {
  const stream = new Blob(/** @type {BlobPart[]} */ (parts)).stream();
  try {
    const whole = new Response(stream.pipeThrough(new DecompressionStream("deflate")));
    return new Uint8Array(await whole.arrayBuffer());
  } catch {
    throw new Error(UNREADABLE);
  }
}

/**
 * Undoes the five filters of PNG, one byte per pixel.
 * @param {Uint8Array} raw each row led by the number of its filter
 * @param {number} width
 * @param {number} height
 */
function unfilter(raw, width, height) {
  if (raw.length < (width + 1) * height) throw new Error(UNREADABLE);
  const pixels = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = row * (width + 1) + 1;
    const to = row * width;
    const filter = raw[from - 1];
    for (let x = 0; x < width; x++) {
      const left = x ? pixels[to + x - 1] : 0;
      const up = row ? pixels[to - width + x] : 0;
      let guess = 0;
      if (filter === 1) guess = left;
      else if (filter === 2) guess = up;
      else if (filter === 3) guess = (left + up) >> 1;
      else if (filter === 4) guess = paeth(left, up, x && row ? pixels[to - width + x - 1] : 0);
      pixels[to + x] = raw[from + x] + guess;
    }
  }
  return pixels;
}

/** @param {number} left @param {number} up @param {number} corner */
function paeth(left, up, corner) {
  const guess = left + up - corner;
  const toLeft = Math.abs(guess - left);
  const toUp = Math.abs(guess - up);
  const toCorner = Math.abs(guess - corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
