// @ts-check
/** What a pass of the model is: how many context windows a video is sampled in, and what memory one of them takes. */
import { valueOf } from "../characters/casts.js";
import { places, typeOf } from "../graph_walk.js";
import { upstream } from "./upstream.js";

/** @typedef {import("../graph_walk.js").Graph} Graph */
/** @typedef {import("../graph_walk.js").Place} Place */
/** @typedef {{window: {length: number, step: number} | undefined, file: string | undefined}} Sampling in latent frames; the model's file */

const WINDOWS = new Set(["WanContextWindowsManual"]);
const SAMPLED = new Set(["InterActSampler", "InterActMaskGuidance", "KSampler", "KSamplerAdvanced"]);
const FILE_NAMES = ["model_name", "unet_name"]; // of InterAct Load DiT, of ComfyUI's and the GGUF loader
/** The width of Wan's models, by the size that their files' names say. @type {[RegExp, number][]} */
const WIDTHS = [
  [/(?<!\d)14b/i, 5120],
  [/(?<!\d)1[._]3b/i, 1536],
  [/(?<![\d.])5b/i, 3072],
];
const LATENT_PIXELS = 8;
const BYTES = 2; // of a number at 16 bits
// comfy/model_base.py, BaseModel.memory_required, with the factor of comfy/supported_models.py, WAN21_T2V; its attention
// that needs no matrix of all tokens.
const SHARE = 0.01 * 2 ** 20;
const FACTOR = 2222;

/**
 * How an encoder's video is sampled, once for each sampler. @param {Graph} root @param {Place} encoder @returns {Sampling[]}
 */
export function samplingsOf(root, encoder) {
  const found = [...places(root)].filter(
    (place) =>
      SAMPLED.has(typeOf(place.node)) &&
      upstream(place, ["CONDITIONING", "INTERACT_CAST"]).some(({ node }) => node === encoder.node),
  );
  return found.map((place) => {
    const above = upstream(place, ["MODEL"]);
    const names = above.flatMap((one) => FILE_NAMES.map((name) => valueOf(one, name)));
    return { window: windowOf(above), file: names.find((name) => typeof name === "string") };
  });
}

/** @param {Place[]} above */
function windowOf(above) {
  const node = above.find((one) => WINDOWS.has(typeOf(one.node)));
  if (!node) return undefined;
  const [size, overlap, schedule] = ["context_length", "context_overlap", "context_schedule"].map((name) => valueOf(node, name));
  if (typeof size !== "number" || typeof overlap !== "number" || schedule !== "standard_static") return undefined;
  const length = Math.floor((size - 1) / 4) + 1;
  return { length, step: length - Math.floor(overlap / 4) };
}

/**
 * How many context windows of ComfyUI's node for Wan; undefined without. @param {Sampling[]} samplings @param {number} frames
 */
export function windowsOf(samplings, frames) {
  const window = samplings.find((one) => one.window)?.window;
  if (!window) return undefined;
  // As comfy_extras/nodes_context_windows.py and create_windows_static_standard count.
  const all = latentFrames(frames);
  return all <= window.length || window.step <= 0 ? 1 : Math.ceil((all - window.length) / window.step) + 1;
}

/**
 * Bytes that ComfyUI keeps free for a pass of the largest model: one conditioning, one window, every reference picture
 * (interact_core/host/run/memory_estimate.py).
 * @param {Sampling[]} samplings @param {{width: number, height: number, frames: number, pictures: number}} video
 */
export function memoryOf(samplings, { width, height, frames, pictures }) {
  const all = samplings.flatMap(({ window, file }) => {
    const [, wide] = WIDTHS.find(([name]) => name.test(file ?? "")) ?? [];
    if (!wide) return [];
    const shown = Math.min(latentFrames(frames), window?.length ?? Infinity);
    const rows = Math.ceil((Math.floor(height / LATENT_PIXELS) * (shown + pictures)) / shown);
    return [shown * rows * Math.floor(width / LATENT_PIXELS) * BYTES * SHARE * (wide / FACTOR)];
  });
  return all.length ? Math.max(...all) : undefined;
}

/** @param {number} frames */
const latentFrames = (frames) => (frames - 1) / 4 + 1;
