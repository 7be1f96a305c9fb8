// @ts-check
/**
 * The shapes that travel from ComfyUI to this page; written down for the editor, nothing runs here.
 *
 * @typedef {object} Scene What does not change during a run.
 * @property {string[]} names of the characters, in the order of their masks
 * @property {[number, number, number]} grid latent frames, rows and columns of a mask
 * @property {number} width of the video in pixels
 * @property {number} height
 * @property {number} frames of the video, 4n + 1
 * @property {number} fps
 * @property {number} total_steps that the sampler takes
 * @property {string | null} [seed] of the noise: as text, as numbers here are exact up to 2^53 only
 * @property {"predicted" | "fixed" | "none" | "affinity"} [mask_source] which masks steer the voices; predicted if it is not said
 *
 * @typedef {object} Step One denoising step.
 * @property {number} index counted from 0
 * @property {number} sigma how much noise was left
 * @property {boolean} steered whether masks steered the voices in this step
 * @property {string | null} masks file name of the picture of masks
 * @property {string | null} frames file name of the picture of the running prediction
 *
 * @typedef {object} StepEvent `interact.step`: a step is finished.
 * @property {number} [version] or `format`, as it was called first: see `isReadable`
 * @property {string} run
 * @property {string} workflow id of the graph that was queued, or ""
 * @property {string} source execution id of the node that samples, "31" or "5:1"
 * @property {string} prompt
 * @property {Scene} scene
 * @property {Step} step
 * @property {(number[] | null)[]} [voices] of the first event: as in a manifest, like the two below
 * @property {Sounds | null} [sounds]
 * @property {string | null} [fixed]
 *
 * @typedef {object} Sounds File names of what is heard, each as long as the video; together they are the dialogue.
 * @property {(string | null)[]} voices one for each character
 * @property {string | null} scene what belongs to nobody
 *
 * @typedef {object} EndEvent `interact.end`: the run is over.
 * @property {number} [version]
 * @property {string} run
 * @property {string} workflow
 * @property {string} source
 * @property {string} prompt
 * @property {"done" | "stopped"} how
 *
 * @typedef {object} Manifest What the preview node shows when it has run: the whole run.
 * @property {number} [version]
 * @property {string} run
 * @property {Scene} scene
 * @property {number} boundary_step first step that masks steered, -1 for none
 * @property {Step[]} steps
 * @property {(number[] | null)[]} [voices] peaks 0..255, four per video frame, null for who is silent
 * @property {Sounds | null} [sounds]
 * @property {string | null} [fixed] file name of the picture of the masks that were drawn for the run and steer it
 * @property {string | null} [video] file name of the picture of the decoded frames
 * @property {(string | null)[] | null} [full] file names of the decoded frames in full size, by latent frame; null where a long film has none
 *
 * @typedef {[number, number, number]} Colour red, green and blue, 0..255
 *
 * @typedef {"soft" | "outline" | "winner" | "heat"} Mode how masks are drawn
 * @typedef {"predicted" | "steering" | "both" | "steps" | "runs"} Show which masks are drawn
 * @typedef {"beside" | "wipe" | "difference"} Compare how two of them are
 *
 * @typedef {object} Preferences What a viewer remembers in its node.
 * @property {Mode} mode
 * @property {Show} show
 * @property {Compare} compare
 * @property {number} opacity 0..1
 * @property {boolean} backdrop whether there is a picture behind the masks
 * @property {"step" | "finished"} under which one: as it was at the step, or the finished video
 * @property {boolean} names
 * @property {boolean} contested whether places are marked that several masks claim
 * @property {boolean} unclaimed and those that none does
 * @property {boolean} onion whether the outlines of the frames around are seen, too
 * @property {boolean} overlaps whether the overlap of people has a lane, and is warned of
 * @property {boolean} stamped whether step, time, seed and names are written on what is saved
 * @property {boolean} sound
 * @property {number} volume 0..1
 * @property {string[]} hidden names of characters that are switched off
 */
export {};
