// @ts-check
/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */

/**
 * What the keys do while the viewer has the focus: left and right go through the frames, up and down through
 * the steps (with Shift: through the other one of two), space plays, Home and End go to the ends, M turns the sound
 * off, S lets one voice after the other sound alone, I and O mark what is played over and over.
 * @param {MaskViewer} viewer @param {KeyboardEvent} event
 */
export function keyAction(viewer, event) {
  const target = event.target instanceof Element ? event.target : null;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target?.tagName === "INPUT" && event.key !== "Escape") return event.stopPropagation(); // it has keys of its own
  if (event.key === " " && target?.tagName === "BUTTON") return event.stopPropagation(); // it is pressed
  const action = actionOf(viewer, event, target?.classList.contains("interact-strip") ?? false);
  if (!action) return;
  action();
  event.preventDefault();
  event.stopPropagation(); // else the graph scrolls, or moves the node
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
