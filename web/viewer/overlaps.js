// @ts-check
/** @typedef {import("./types.js").Scene} Scene */
/**
 * @typedef {object} Shared Two people whose masks are both above one half in the same places.
 * @property {number} one
 * @property {number} other
 * @property {Float32Array} shares by latent frame: what both have, as a share of what the smaller one has, 0..1
 */
/** @typedef {{one: number, other: number, frame: number, share: number, from: number, to: number}} Warning latent frames */

const SURE = 128;
/** From here on two people are warned of: a quarter of somebody is enough to hear the wrong voice. */
export const WARN = 0.25;
const LEAST = 4; // cells that both must have: of fewer, a share is chance

/**
 * Who shares places with whom, frame by frame: only pairs that do anywhere.
 * @param {Uint8Array} masks [N, T, h, w] @param {Scene} scene @returns {Shared[]}
 */
export function sharedPlaces(masks, scene) {
  const [frames, height, width] = scene.grid;
  const count = scene.names.length;
  const cells = height * width;
  /** @type {Map<number, Shared>} */
  const pairs = new Map();
  const sizes = new Int32Array(count);
  /** @type {number[]} */
  const here = [];
  for (let frame = 0; frame < frames; frame++) {
    sizes.fill(0);
    for (let cell = 0; cell < cells; cell++) {
      here.length = 0;
      for (let character = 0; character < count; character++)
        if (masks[(character * frames + frame) * cells + cell] >= SURE) here.push(character);
      for (let place = 0; place < here.length; place++) {
        const one = here[place];
        sizes[one]++;
        for (let next = place + 1; next < here.length; next++) {
          const key = one * count + here[next];
          if (!pairs.has(key)) pairs.set(key, { one, other: here[next], shares: new Float32Array(frames) });
          /** @type {Shared} */ (pairs.get(key)).shares[frame]++;
        }
      }
    }
    for (const { one, other, shares } of pairs.values()) {
      const least = Math.min(sizes[one], sizes[other]);
      shares[frame] = least < LEAST ? 0 : shares[frame] / least;
    }
  }
  return [...pairs.values()];
}

/**
 * Where two people share so much that voices may go wrong: one warning for each span of frames, at the frame where it
 * is most, and the worst first.
 * @param {Shared[]} shared @returns {Warning[]}
 */
export function warningsOf(shared) {
  /** @type {Warning[]} */
  const found = [];
  for (const { one, other, shares } of shared)
    for (let from = 0; from < shares.length; from++) {
      if (shares[from] < WARN) continue;
      let to = from;
      let frame = from;
      while (to + 1 < shares.length && shares[to + 1] >= WARN) if (shares[++to] > shares[frame]) frame = to;
      found.push({ one, other, frame, share: shares[frame], from, to });
      from = to;
    }
  return found.sort((a, b) => b.share - a.share);
}

/** The two who share most in a frame; undefined where nobody shares anything. @param {Shared[]} shared @param {number} frame */
export function mostShared(shared, frame) {
  const most = shared.reduce(
    (best, pair) => (pair.shares[frame] > (best?.shares[frame] ?? 0) ? pair : best),
    /** @type {Shared | undefined} */ (undefined),
  );
  return most && { ...most, share: most.shares[frame] };
}
