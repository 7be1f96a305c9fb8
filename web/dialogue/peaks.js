// @ts-check
/**
 * The loudest and the lowest of a sound at every zoom: a pyramid whose first level has a pair for each few samples, and
 * whose next ones a pair for every four of the level below. A pixel reads at most a handful of pairs, whatever the
 * length of the sound.
 */

/** @typedef {{rate: number, seconds: number, levels: {size: number, pairs: Int8Array}[]}} Pyramid size: samples a pair */

const FIRST = 64; // samples: 2.7 ms at 24 kHz
const FACTOR = 4;
const FULL = 127;

/** @param {Float32Array} samples @param {number} rate Hz @returns {Pyramid} */
export function pyramidOf(samples, rate) {
  const levels = [{ size: FIRST, pairs: firstLevel(samples) }];
  for (let level = levels[0]; level.pairs.length > 2 * FACTOR; levels.push(level))
    level = { size: level.size * FACTOR, pairs: coarser(level.pairs) };
  return { rate, seconds: samples.length / rate, levels };
}

/** @param {Float32Array} samples */
function firstLevel(samples) {
  const count = Math.ceil(samples.length / FIRST);
  const pairs = new Int8Array(2 * count);
  for (let at = 0; at < count; at++) {
    let low = 0;
    let high = 0;
    const end = Math.min(samples.length, (at + 1) * FIRST);
    for (let place = at * FIRST; place < end; place++) {
      const value = samples[place];
      if (value < low) low = value;
      else if (value > high) high = value;
    }
    pairs[2 * at] = Math.max(-FULL, Math.floor(low * FULL));
    pairs[2 * at + 1] = Math.min(FULL, Math.ceil(high * FULL));
  }
  return pairs;
}

/** @param {Int8Array} pairs */
function coarser(pairs) {
  const count = Math.ceil(pairs.length / 2 / FACTOR);
  const made = new Int8Array(2 * count);
  for (let at = 0; at < count; at++) {
    let low = 0;
    let high = 0;
    const end = Math.min(pairs.length, 2 * FACTOR * (at + 1));
    for (let place = 2 * FACTOR * at; place < end; place += 2) {
      if (pairs[place] < low) low = pairs[place];
      if (pairs[place + 1] > high) high = pairs[place + 1];
    }
    made[2 * at] = low;
    made[2 * at + 1] = high;
  }
  return made;
}

/**
 * The coarsest level that still has a pair for each step.
 * @param {Pyramid} pyramid @param {number} step seconds, such as those of a pixel
 */
export function levelFor(pyramid, step) {
  const samples = step * pyramid.rate;
  let found = pyramid.levels[0];
  for (const level of pyramid.levels) if (level.size <= samples) found = level;
  return found;
}

/** Pixels that waveforms are written into and then laid on a canvas at once: paths of thousands of columns are slow. */
export class WaveSheet {
  #canvas = document.createElement("canvas");
  /** @type {ImageData | undefined} */
  #image;
  #pixels = new Uint32Array(0);
  width = 0; // pixels of the screen
  height = 0;

  /** Empties it. @param {number} width @param {number} height pixels of the screen */
  begin(width, height) {
    if (!this.#image || width !== this.width || height !== this.height) {
      [this.#canvas.width, this.#canvas.height] = [this.width, this.height] = [width, height];
      this.#image = new ImageData(width, height);
      this.#pixels = new Uint32Array(this.#image.data.buffer);
    } else this.#pixels.fill(0);
  }

  /**
   * A sound's outline, a column for each pixel from `x` on.
   * @param {Pyramid} pyramid @param {{x: number, width: number, middle: number, half: number}} place pixels
   * @param {number} from seconds of the sound at `x` @param {number} step seconds a pixel @param {number} gain
   * @param {[number, number, number, number]} colour red, green, blue, alpha, 0..255
   */
  trace(pyramid, { x, width, middle, half }, from, step, gain, [red, green, blue, alpha]) {
    const { size, pairs } = levelFor(pyramid, step);
    const perPixel = (step * pyramid.rate) / size;
    const first = (from * pyramid.rate) / size;
    const most = pairs.length / 2;
    const [pixels, row] = [this.#pixels, this.width];
    const ink = ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0; // as it lies in memory
    const scale = (gain * half) / FULL;
    for (let pixel = 0; pixel < width; pixel++) {
      const begin = Math.max(0, Math.floor(first + pixel * perPixel));
      const end = Math.min(most, Math.max(begin + 1, Math.ceil(first + (pixel + 1) * perPixel)));
      if (begin >= most) break;
      let low = 0;
      let high = 0;
      for (let at = begin; at < end; at++) {
        if (pairs[2 * at] < low) low = pairs[2 * at];
        if (pairs[2 * at + 1] > high) high = pairs[2 * at + 1];
      }
      const top = Math.round(middle - Math.min(half, high * scale));
      const bottom = Math.round(middle + Math.min(half, -low * scale));
      for (let y = top; y <= bottom; y++) pixels[y * row + x + pixel] = ink;
    }
  }

  /** @param {CanvasRenderingContext2D} canvas in whose CSS pixels it lies at 0, 0 @param {number} width @param {number} height */
  lay(canvas, width, height) {
    if (this.#image) this.#canvas.getContext("2d", { willReadFrequently: true })?.putImageData(this.#image, 0, 0);
    canvas.globalAlpha = 1;
    canvas.drawImage(this.#canvas, 0, 0, width, height);
  }
}
