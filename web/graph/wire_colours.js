// @ts-check
/** Colours of this pack's wires, apart from those of ComfyUI's own types, in both renderers. */

/** From Okabe and Ito's palette, lightened, so that wires stand out from characters' colours. @type {Record<string, string>} */
const COLOURS = {
  INTERACT_CHARACTER: "#f2b84b",
  INTERACT_CAST: "#7cc7ee",
  INTERACT_MASKS: "#4fc3a1",
  INTERACT_MASK_HANDLE: "#3d9c80",
  INTERACT_SCORER: "#d9a3c0",
  "AUDIO,AUDIO_ENCODER_OUTPUT": "#e5d96a",
};

/**
 * @param {any} canvas LiteGraph's LGraphCanvas that is on the page @param {HTMLElement} page
 */
export function colourWires(canvas, page) {
  Object.assign(canvas.default_connection_color_byType ?? {}, COLOURS);
  Object.assign(canvas.constructor.link_type_colors ?? {}, COLOURS);
  for (const [type, colour] of Object.entries(COLOURS))
    if (/^\w+$/.test(type)) page.style.setProperty(`--color-datatype-${type}`, colour);
}
