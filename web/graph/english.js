// @ts-check
/**
 * What is said while one edits a graph, from which locales/en/main.json is written (tools/make_locales.py): one on each
 * line, with places for its values in braces. web/graph/words.js says it in the language of the graph.
 */
export const ENGLISH = {
  nameTaken: "Name taken: rename one",
  nameTakenLabel: "name taken",
  menuAdd: "Add character",
  menuColour: "Colour characters",
  menuValues: "Use the model's values",
  noEncoder: "There is no InterAct Encode Characters in this workflow: add one first.",
  chooseEncoder: "Select the InterAct Encode Characters that the character is for.",
  noSocket: "This InterAct Encode Characters has no free socket for a character.",
  voiceOf: "Voice of {name}",
  pictureOf: "Picture of {name}",
  speechOf: "Speech of {name}",
  film: "{frames} frames, {seconds} s at {fps} fps.",
  filmWindows: "{frames} frames, {seconds} s at {fps} fps, in {windows} windows.",
  memory: "A pass of the model needs about {size} GB beside its weights, by ComfyUI's estimate at 16 bits.",
  filmUnknown: "How long the video is, only a run tells: {names}.",
  speaks: "{name}: {spans} s.",
  silent: "Silent: {names}.",
  untold: "When they speak, only a run tells: {names}.",
  sameName: "The name {name} is there more than once: rename one before the run.",
  cutOff: "{name} speaks until {end} s, but the video ends at {seconds} s: set length to 0.",
  nobody: "No character is connected.",
  differs: "{file} was made for {values}. Right-click, 'Use the model's values' sets them.",
  valueDiffers: "{name} {wanted} (here {found})",
  shiftMissing: "ModelSamplingSD3 with shift {wanted} (there is none)",
  valuesSet: "Set to the values of {file}: {count}.",
  valuesLeft: "Not set, as a link gives the value, the node is missing or this ComfyUI does not offer it: {values}.",
  valuesAlready: "Everything is already as {file} says.",
  noValues: "No adapter in this workflow says which values it was made for.",
};
