// @ts-check
/** Below this share of change from step to step a mask counts as settled. */
export const SETTLED = 0.05;

/**
 * How much of the picture each character takes, 0..1, over all frames.
 * @param {Uint8Array} masks [N, ...] @param {number} characters
 */
export function areas(masks, characters) {
  const each = masks.length / characters;
  return Float32Array.from({ length: characters }, (_, character) => {
    let sum = 0;
    for (let at = character * each; at < (character + 1) * each; at++) sum += masks[at];
    return sum / (255 * each);
  });
}

/**
 * How much of each character's mask is new since the step before: 0 nothing, 1 all of it (one minus the
 * overlap divided by the union, of soft masks).
 * @param {Uint8Array} before @param {Uint8Array} after @param {number} characters
 */
export function changes(before, after, characters) {
  const each = after.length / characters;
  return Float32Array.from({ length: characters }, (_, character) => {
    let overlap = 0;
    let union = 0;
    for (let at = character * each; at < (character + 1) * each; at++) {
      const one = before[at];
      const other = after[at];
      if (one < other) {
        overlap += one;
        union += other;
      } else {
        overlap += other;
        union += one;
      }
    }
    return union ? 1 - overlap / union : 0;
  });
}

/**
 * The first step from which on nobody's mask changed much any more; null where that cannot be said.
 * @param {number[]} order steps, rising
 * @param {Map<number, Float32Array>} changed by step
 * @param {number[]} characters that count
 */
export function settledAt(order, changed, characters) {
  let settled = null;
  for (let place = order.length - 1; place > 0; place--) {
    const change = changed.get(order[place]);
    if (!change || characters.some((character) => change[character] >= SETTLED)) break;
    settled = order[place];
  }
  return settled === order[order.length - 1] ? null : settled; // one quiet step at the end proves nothing
}
