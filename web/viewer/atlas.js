// @ts-check
/** @typedef {import("./types.js").Scene} Scene */

/** Tiles beside each other in every picture that the host makes. */
const COLUMNS = 8;

/** How a picture of one tile per latent frame is laid out. @param {number} frames */
export function tiling(frames) {
  const columns = Math.min(frames, COLUMNS);
  return { columns, rows: Math.ceil(frames / columns) };
}

/** Whether a scene says all that is needed to read its pictures. @param {any} scene */
export function isScene(scene) {
  const count = (/** @type {any} */ value) => Number.isInteger(value) && value > 0;
  return (
    Array.isArray(scene?.names) &&
    scene.names.length > 0 &&
    scene.names.every((/** @type {any} */ name) => typeof name === "string") &&
    Array.isArray(scene.grid) &&
    scene.grid.length === 3 &&
    scene.grid.every(count) &&
    [scene.width, scene.height, scene.frames].every(count) &&
    Number.isFinite(scene.fps) &&
    scene.fps > 0 &&
    Number.isInteger(scene.total_steps) &&
    scene.total_steps >= 0 &&
    typeof (scene.seed ?? "") === "string"
  );
}

/**
 * The masks of a step, character after character, frame after frame: [N, T, h, w] in one array.
 * @param {{width: number, height: number, pixels: Uint8Array}} picture tiles as the host lays them
 * @param {Scene} scene
 */
export function unpackMasks(picture, scene) {
  const [frames, height, width] = scene.grid;
  const { columns, rows } = tiling(frames);
  if (picture.width !== columns * width || picture.height !== scene.names.length * rows * height)
    throw new Error("a picture of masks has another size than its run");
  const masks = new Uint8Array(scene.names.length * frames * height * width);
  let to = 0;
  for (let character = 0; character < scene.names.length; character++)
    for (let frame = 0; frame < frames; frame++) {
      const top = (character * rows + Math.floor(frame / columns)) * height;
      const left = (frame % columns) * width;
      for (let row = 0; row < height; row++, to += width) {
        const from = (top + row) * picture.width + left;
        masks.set(picture.pixels.subarray(from, from + width), to);
      }
    }
  return masks;
}

/**
 * One character's mask in one frame, without a copy.
 * @param {Uint8Array} masks @param {Scene} scene @param {number} character @param {number} frame
 */
export function maskOf(masks, scene, character, frame) {
  const [frames, height, width] = scene.grid;
  const from = (character * frames + frame) * height * width;
  return masks.subarray(from, from + height * width);
}

/** The latent frame of a video frame: t covers 4t-3 .. 4t, the first frame 0 alone. @param {number} frame */
export function latentFrameOf(frame) {
  return Math.floor((frame + 3) / 4);
}

/** The video frames that a latent frame covers, from and to (not included). @param {number} frame */
export function videoFramesOf(frame) {
  return frame === 0 ? [0, 1] : [4 * frame - 3, 4 * frame + 1];
}
