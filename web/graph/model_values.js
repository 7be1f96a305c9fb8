// @ts-check
/**
 * The values that an adapter was made for, which its file may carry, and the nodes of the graph that should have them:
 * those that sample with its MODEL, and the Encode Characters above these.
 */
import { isDriven, valueOf } from "../characters/casts.js";
import { executionId, places, typeOf } from "../graph_walk.js";
import { upstream, widgetNamed } from "./upstream.js";

/** @typedef {import("../graph_walk.js").Graph} Graph */
/** @typedef {import("../graph_walk.js").Place} Place */
/** @typedef {Record<string, number | string>} Values as interact_core/adapter/recommended.py writes them */
/** @typedef {{place: Place, name: string, wanted: number | string, found: unknown}} Difference found: undefined where there is no such node */
/** @typedef {{loader: Place, file: string, samplers: Place[]}} Model an adapter of the graph and what samples with it */

export const KEY = "interact_recommended"; // in the metadata of the file
const LOADERS = new Set(["InterActLoadDiT", "InterActApplyAdapter"]);
const SAMPLING = ["steps", "cfg", "audio_cfg", "sampler_name", "stage_boundary", "mask_gain"];
/** Which values a node takes, by its type. @type {Record<string, string[]>} */
const TAKES = {
  InterActEncodeCharacters: ["width", "height", "fps", "negative_references"],
  InterActSampler: SAMPLING,
  InterActMaskGuidance: SAMPLING,
  KSampler: SAMPLING,
  KSamplerAdvanced: SAMPLING,
  ModelSamplingSD3: ["shift"],
};
const SAMPLERS = new Set(Object.keys(TAKES).filter((type) => TAKES[type] === SAMPLING));
const TO_A_CAST = ["CONDITIONING", "INTERACT_CAST", "LATENT"];

/** @param {Graph} root @returns {Model[]} */
export function modelsOf(root) {
  const all = [...places(root)];
  const samplers = all.filter(({ node }) => SAMPLERS.has(typeOf(node)));
  return all.flatMap((loader) => {
    const file = LOADERS.has(typeOf(loader.node)) ? valueOf(loader, "adapter_name") : undefined;
    if (typeof file !== "string" || !file.endsWith(".safetensors")) return [];
    const own = samplers.filter((place) => adapterAbove(place) === executionId(loader));
    return [{ loader, file, samplers: own }];
  });
}

/** The nearest loader of an adapter: a later one replaces it. @param {Place} place */
function adapterAbove(place) {
  const found = upstream(place, ["MODEL"]).find(({ node }) => LOADERS.has(typeOf(node)));
  return found && executionId(found);
}

/**
 * The values of nodes that are not as the model wants them.
 * @param {Model} model @param {Values} values @returns {Difference[]}
 */
export function differences({ samplers }, values) {
  /** @type {Map<string, Place>} */
  const concerned = new Map();
  for (const sampler of samplers)
    for (const place of [sampler, ...upstream(sampler, TO_A_CAST), ...upstream(sampler, ["MODEL"])])
      if (typeOf(place.node) in TAKES) concerned.set(executionId(place), place);
  const found = [...concerned.values()].flatMap((place) =>
    TAKES[typeOf(place.node)].flatMap((name) => {
      const value = valueOf(place, name);
      if (!(name in values) || !widgetNamed(place.node, name) || value === undefined) return [];
      const wanted = name === "steps" ? stepsLeft(place, values.steps) : values[name];
      return same(value, wanted) ? [] : [{ place, name, wanted, found: value }];
    }),
  );
  const shifted = [...concerned.values()].some(({ node }) => typeOf(node) === "ModelSamplingSD3");
  const missing = "shift" in values && samplers.length && !shifted;
  return missing ? [...found, { place: samplers[0], name: "shift", wanted: values.shift, found: undefined }] : found;
}

/** The steps of a model that a sampler takes at its denoise: the last of them. @param {Place} place @param {number | string} steps */
function stepsLeft(place, steps) {
  const denoise = Number(valueOf(place, "denoise") ?? 1);
  return denoise > 0 && denoise < 1 ? Math.max(1, Math.round(Number(steps) * denoise)) : steps;
}

/** @param {unknown} one @param {unknown} other */
const same = (one, other) => one === other || (typeof one === "number" && Math.abs(one - Number(other)) < 1e-6);

/**
 * Sets the widgets that differ; what a link drives stays. @param {Difference[]} found @returns {Difference[]} those that were set
 */
export function setValues(found) {
  return found.filter(({ place: { node }, name, wanted }) => {
    const widget = widgetNamed(node, name);
    if (!widget || isDriven(node, name)) return false;
    const offered = widget.options?.values; // of a list, such as samplers: a file may name one that is not here
    if (Array.isArray(offered) && !offered.includes(wanted)) return false;
    widget.value = wanted;
    widget.callback?.(wanted);
    node.setDirtyCanvas?.(true, true);
    return true;
  });
}

/** The values in a file's metadata; undefined where it has none, or what no values are. @param {Record<string, string> | undefined} metadata @returns {Values | undefined} */
export function readValues(metadata) {
  try {
    const entries = Object.entries(JSON.parse(metadata?.[KEY] ?? "{}"));
    const known = new Set(Object.values(TAKES).flat());
    const fits = entries.filter(([name, value]) => known.has(name) && ["number", "string"].includes(typeof value));
    return fits.length ? Object.fromEntries(fits) : undefined;
  } catch {
    return undefined;
  }
}
