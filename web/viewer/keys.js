// @ts-check
import { COMPARES, MODES, showsTwo } from "./preferences.js";

/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */

/**
 * What the keys do while the viewer has the focus: left and right go through the frames, up and down through
 * the steps (with Shift: through the other one of two), space plays, Home and End go to the ends, M turns the sound
 * off, S lets one voice after the other sound alone, I and O mark what is played over and over. For looking: F fills
 * the screen, plus, minus and 0 zoom, Alt and arrows move what is zoomed, 1 to 4 draw the masks in another way, C, U and
 * N mark contested and unclaimed places and the frames around, W goes to the next warning, D compares two steps in
 * another way, P keeps the run beside the next one. X stops the run, with Shift to begin one with the next seed.
 * @param {MaskViewer} viewer @param {KeyboardEvent} event
 */
export function keyAction(viewer, event) {
  const target = event.target instanceof Element ? event.target : null;
  if (event.ctrlKey || event.metaKey) return;
  if (target?.tagName === "INPUT" && event.key !== "Escape") return event.stopPropagation(); // it has keys of its own
  if (event.key === " " && target?.tagName === "BUTTON") return event.stopPropagation(); // it is pressed
  const action = event.altKey
    ? panOf(viewer, event)
    : (actionOf(viewer, event, target?.classList.contains("interact-strip") ?? false) ?? lookOf(viewer, event));
  if (!action) return;
  action();
  event.preventDefault();
  event.stopPropagation(); // else the graph scrolls, or moves the node
}

const PAN = 40; // CSS pixels

/** @param {MaskViewer} viewer @param {KeyboardEvent} event @returns {(() => void) | undefined} */
function panOf({ stage }, event) {
  if (stage.lens.isWhole) return undefined;
  const ways = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const way = /** @type {Record<string, number[]>} */ (ways)[event.key];
  return way && (() => stage.panBy(PAN * way[0], PAN * way[1]));
}

/** @param {MaskViewer} viewer @param {KeyboardEvent} event @returns {(() => void) | undefined} */
function lookOf(viewer, event) {
  const { stage, preferences } = viewer;
  const mode = MODES[Number(event.key) - 1];
  if (mode) return () => viewer.prefer({ mode });
  switch (event.key) {
    case "f":
      return () => viewer.fill();
    case "+":
    case "=":
      return () => stage.zoomBy(1);
    case "-":
      return () => stage.zoomBy(-1);
    case "0":
      return () => stage.reset();
    case "c":
      return () => viewer.prefer({ contested: !preferences.contested });
    case "u":
      return () => viewer.prefer({ unclaimed: !preferences.unclaimed });
    case "n":
      return () => viewer.prefer({ onion: !preferences.onion });
    case "w":
      return () => viewer.overlaps.next();
    case "d":
      return () => {
        const next = COMPARES[(COMPARES.indexOf(preferences.compare) + 1) % COMPARES.length];
        viewer.prefer(showsTwo(preferences) ? { compare: next } : { show: "steps" });
      };
    case "p":
      return () => (preferences.show === "runs" ? viewer.prefer({ show: "predicted" }) : viewer.keepRun());
    case "x":
      return () => void viewer.stopRun(false);
    case "X":
      return () => void viewer.stopRun(true);
    default:
      return undefined;
  }
}

/**
 * @param {MaskViewer} viewer @param {KeyboardEvent} event @param {boolean} onStrip
 * @returns {(() => void) | undefined}
 */
function actionOf(viewer, event, onStrip) {
  const { frame } = viewer;
  const last = (viewer.run?.scene.grid[0] ?? 1) - 1;
  switch (event.key) {
    case "ArrowLeft":
      return () => viewer.scrub(frame - 1);
    case "ArrowRight":
      return () => viewer.scrub(frame + 1);
    case "ArrowUp":
      return () => viewer.stride(1, event.shiftKey);
    case "ArrowDown":
      return () => viewer.stride(-1, event.shiftKey);
    case "Home":
      return () => (onStrip ? viewer.goTo({ step: 0 }) : viewer.goTo({ frame: 0 }));
    case "End":
      return () => (onStrip ? viewer.follow() : viewer.goTo({ frame: last }));
    case " ":
      return () => viewer.play(!viewer.playing);
    case "m":
      return () => viewer.prefer({ sound: !viewer.preferences.sound });
    case "s":
      return () => viewer.playback.soloNext();
    case "i":
      return () => viewer.playback.mark("from");
    case "o":
      return () => viewer.playback.mark("to");
    case "Escape":
      if (viewer.controls.isOpen) return () => viewer.controls.leave();
      return viewer.playback.span ? () => viewer.playback.loop(null) : undefined;
    default:
      return undefined;
  }
}
