// @ts-check
const MARK = "interact-viewer-style";

/** Puts a style into a page, once. @param {Document} page @param {string} mark its id @param {string} text */
export function addStyle(page, mark, text) {
  if (page.getElementById(mark)) return;
  const style = page.createElement("style");
  style.id = mark;
  style.textContent = text;
  page.head.append(style);
}

/** The viewer's style. @param {Document} page */
export const useStyle = (page) => addStyle(page, MARK, STYLE);

// Colours are those of ComfyUI's theme, with dark ones where there is no ComfyUI. Heights are fixed but for the
// picture's, so that nothing moves while a run goes on.
const STYLE = `
.interact-viewer {
  --ink: var(--input-text, #ddd);
  --line: color-mix(in srgb, var(--ink) 14%, transparent);
  --soft: color-mix(in srgb, var(--ink) 7%, transparent);
  --faint: color-mix(in srgb, var(--ink) 62%, transparent);
  --accent: #56b4e9;
  container-type: inline-size;
  position: relative;
  display: flex;
  flex-direction: column;
  gap: 8px;
  box-sizing: border-box;
  width: 100%;
  height: 100%;
  min-width: 0;
  min-height: 440px;
  padding: 10px;
  overflow: hidden;
  border: 1px solid var(--line);
  border-radius: 10px;
  background: var(--comfy-menu-bg, #1b1b1d);
  color: var(--ink);
  font: 12px/1.35 Inter, system-ui, sans-serif;
  text-align: left;
  user-select: none;
}
.interact-viewer *, .interact-viewer *::before { box-sizing: border-box; }
.interact-viewer [hidden] { display: none !important; }
.interact-viewer:focus { outline: none; }
.interact-viewer:focus-visible { border-color: color-mix(in srgb, var(--accent) 70%, transparent); }
.interact-viewer button {
  margin: 0; border: 0; background: none; color: inherit; font: inherit; cursor: pointer;
}
.interact-viewer button:disabled { opacity: 0.4; cursor: default; }
.interact-viewer :is(button, input, .interact-lane):focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px;
}

.interact-head { flex: none; display: flex; align-items: center; gap: 8px; height: 18px; }
.interact-status {
  flex: 1; min-width: 0; overflow: hidden; white-space: nowrap; text-overflow: ellipsis;
  font-variant-numeric: tabular-nums;
}
.interact-status[data-tone="live"]::before, .interact-status[data-tone="alert"]::before,
.interact-status[data-busy]:not([data-busy=""])::before {
  content: ""; display: inline-block; width: 7px; height: 7px; margin: 0 7px 1px 1px; border-radius: 50%;
  background: var(--accent);
}
.interact-status[data-tone="live"]::before { animation: interact-breathe 1.8s ease-in-out infinite; }
.interact-status[data-tone="alert"]::before { background: #d55e00; }
.interact-status[data-busy]:not([data-busy=""])::before { background: #d0342c; }
.interact-status[data-busy]:not([data-busy=""])::after {
  content: "  ·  " attr(data-busy); white-space: pre; color: var(--faint);
}
@keyframes interact-breathe { 50% { opacity: 0.25; } }
@media (prefers-reduced-motion: reduce) { .interact-status::before { animation: none !important; } }
.interact-time { flex: none; color: var(--faint); font-variant-numeric: tabular-nums; }
.interact-viewer :is(.interact-live, .interact-loop) {
  flex: none; padding: 0 8px; border-radius: 9px; line-height: 18px;
  background: color-mix(in srgb, var(--accent) 22%, transparent);
}
.interact-viewer .interact-tool {
  flex: none; display: grid; place-items: center; width: 20px; height: 18px; padding: 0; border-radius: 5px;
  color: var(--faint);
}
.interact-viewer .interact-tool:hover:not(:disabled) { background: var(--soft); color: var(--ink); }
.interact-tool svg { width: 14px; height: 14px; fill: currentColor; }
.interact-news { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

.interact-stage {
  flex: 1 1 0;
  position: relative;
  min-height: 120px;
  overflow: hidden;
  border-radius: 6px;
  background: #141416;
}
.interact-stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: crosshair; touch-action: none; }
.interact-stage canvas.interact-movable { cursor: grab; }
.interact-stage canvas.interact-moving { cursor: grabbing; }
.interact-viewer :is(.interact-alarm, .interact-whole) {
  position: absolute; top: 6px; max-width: calc(100% - 12px); padding: 0 8px; overflow: hidden; border-radius: 4px;
  background: rgb(0 0 0 / 0.66); color: #f0f0f0; font-size: 11px; line-height: 19px; white-space: nowrap;
  text-overflow: ellipsis; font-variant-numeric: tabular-nums;
}
.interact-alarm { left: 6px; }
.interact-alarm::before {
  content: ""; display: inline-block; margin-right: 6px; border: solid transparent; border-width: 0 4px 7px;
  border-bottom-color: #e8743b;
}
.interact-whole { right: 6px; }
.interact-wipe { position: absolute; top: 0; left: -11px; width: 22px; cursor: ew-resize; touch-action: none; }
.interact-wipe::before {
  content: ""; position: absolute; top: 0; bottom: 0; left: 10px; width: 2px; background: #fff;
  box-shadow: 0 0 3px #000;
}
.interact-wipe::after {
  content: ""; position: absolute; top: calc(50% - 9px); left: 2px; width: 18px; height: 18px; border-radius: 50%;
  background: #fff; box-shadow: 0 0 3px #000;
}
.interact-wipe:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; border-radius: 6px; }
.interact-words {
  position: absolute; inset: 0; display: flex; flex-direction: column; gap: 4px; align-items: center;
  justify-content: center; padding: 16px; text-align: center; color: #e6e6e6; pointer-events: none;
  text-shadow: 0 1px 3px #000;
}
.interact-emblem {
  width: 66px;
  height: 40px;
  margin-bottom: 8px;
  fill: none;
  stroke-width: 1.5;
  opacity: 0.8;
}
.interact-emblem path { stroke: #e69f00; }
.interact-emblem path + path { stroke: #56b4e9; stroke-dasharray: 4 2.5; }
.interact-words small { color: #9a9aa0; font-size: 11px; }

.interact-legend {
  flex: none; display: flex; flex-wrap: wrap; gap: 4px; min-height: 24px; max-height: 52px; overflow-y: auto;
  scrollbar-width: thin;
}
.interact-viewer .interact-chip {
  display: flex;
  align-items: center;
  gap: 6px;
  max-width: 100%;
  height: 24px;
  padding: 0 8px;
  border-radius: 12px;
  background: var(--soft);
}
.interact-chip:hover { background: var(--line) !important; }
.interact-swatch { flex: none; width: 16px; height: 16px; stroke-width: 5; }
.interact-name { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
/* room for a number, so that no chip grows */
.interact-value {
  min-width: 2.9em;
  color: var(--faint);
  text-align: right;
  font-variant-numeric: tabular-nums;
}
.interact-chip[aria-pressed="false"] { color: var(--faint); background: none !important; }
.interact-chip[aria-pressed="false"] .interact-swatch { opacity: 0.3; }
.interact-chip[aria-pressed="false"] .interact-name { text-decoration: line-through; }

.interact-lane {
  flex: none; position: relative; border-radius: 6px; background: var(--soft); color: var(--ink);
  cursor: ew-resize; touch-action: none;
}
.interact-strip { height: 68px; }
.interact-waves { height: 48px; }
.interact-overlaps { height: 18px; }
.interact-viewer .interact-warning {
  position: absolute; top: 0; width: 12px; height: 18px; margin-left: -6px; padding: 0; border-radius: 3px;
}
.interact-warning::before {
  content: ""; position: absolute; top: 1px; left: 2px; border: solid transparent; border-width: 0 4px 7px;
  border-bottom-color: #e8743b;
}
.interact-overlaps .interact-cursor { border: solid var(--faint); border-width: 0 1px; }
.interact-lane canvas { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.interact-cursor {
  position: absolute; top: 0; bottom: 0; left: 0; pointer-events: none;
  background: color-mix(in srgb, var(--ink) 16%, transparent);
}
.interact-strip .interact-cursor { width: 1px; background: var(--ink); }
.interact-strip .interact-cursor::after {
  content: ""; position: absolute; left: -3px; bottom: 0; width: 7px; height: 7px; border-radius: 50%;
  background: var(--ink);
}
.interact-strip .interact-second { opacity: 0.55; }
.interact-waves .interact-cursor { border: solid var(--faint); border-width: 0 1px; }
.interact-waves .interact-second { width: 1px; border: 0; background: var(--ink); }
.interact-span {
  position: absolute; top: 0; bottom: 0; left: 0; pointer-events: none;
  border: solid var(--accent); border-width: 0 1px;
  background: color-mix(in srgb, var(--accent) 16%, transparent);
}
.interact-viewer .interact-solo { position: absolute; left: 2px; padding: 0; border-radius: 4px; }
.interact-viewer .interact-solo:hover { background: var(--soft); }
.interact-viewer .interact-solo[aria-pressed="true"] { background: var(--line); }
.interact-reading {
  position: absolute;
  bottom: calc(100% + 4px);
  left: 0;
  z-index: 1;
  max-width: 100%;
  padding: 1px 8px;
  overflow: hidden;
  border: 1px solid var(--line); border-radius: 5px; background: var(--comfy-menu-bg, #1b1b1d);
  font-size: 11px; line-height: 17px; white-space: pre; text-overflow: ellipsis; pointer-events: none;
  font-variant-numeric: tabular-nums;
}
.interact-reading:empty { display: none; }

.interact-controls { flex: none; display: flex; align-items: center; gap: 6px; min-height: 26px; }
.interact-gap { flex: 1; }
.interact-viewer .interact-button { height: 26px; padding: 0 10px; border-radius: 6px; }
.interact-viewer .interact-button:hover:not(:disabled) { background: var(--soft); }
.interact-viewer .interact-button[aria-expanded="true"] { background: var(--line); }
.interact-viewer .interact-play {
  display: grid;
  place-items: center;
  width: 32px;
  padding: 0;
  background: var(--soft);
}
.interact-play svg { width: 14px; height: 14px; fill: currentColor; }
.interact-viewer .interact-sound { margin-left: -2px; background: none; }
.interact-viewer .interact-sound[aria-pressed="false"] { color: var(--faint); }
.interact-modes { display: flex; padding: 2px; border-radius: 7px; background: var(--soft); }
.interact-viewer:fullscreen { padding: 16px; border: 0; border-radius: 0; }
.interact-viewer .interact-modes .interact-button {
  height: 22px;
  padding: 0 9px;
  border-radius: 5px;
  color: var(--faint);
}
.interact-viewer .interact-modes .interact-button[aria-pressed="true"] {
  background: var(--line);
  color: var(--ink);
}

.interact-sheet {
  position: absolute; right: 10px; bottom: 44px; z-index: 1; display: flex; flex-direction: column; gap: 2px;
  min-width: 200px;
  max-width: calc(100% - 20px);
  max-height: calc(100% - 60px);
  padding: 8px;
  overflow-y: auto;
  border: 1px solid var(--line); border-radius: 8px; background: var(--comfy-menu-bg, #1b1b1d);
  box-shadow: 0 6px 24px rgb(0 0 0 / 0.45);
}
.interact-sheet p { margin: 0; padding: 0 6px 2px; color: var(--faint); font-size: 11px; }
.interact-sheet hr { width: 100%; margin: 6px 0; border: 0; border-top: 1px solid var(--line); }
.interact-sheet label {
  display: flex;
  align-items: center;
  gap: 8px;
  min-height: 24px;
  padding: 0 6px;
  border-radius: 5px;
  cursor: pointer;
}
.interact-sheet label:hover { background: var(--soft); }
.interact-viewer input { margin: 0; accent-color: var(--accent); }
.interact-viewer input:is([type="radio"], [type="checkbox"]) {
  appearance: none; flex: none; display: grid; place-items: center; width: 14px; height: 14px;
  border: 1.5px solid var(--faint); border-radius: 4px; background: none; cursor: pointer;
}
.interact-viewer input[type="radio"] { border-radius: 50%; }
.interact-viewer input:is([type="radio"], [type="checkbox"]):checked {
  border-color: var(--accent);
  background: var(--accent);
}
.interact-viewer input[type="checkbox"]:checked::before {
  content: ""; width: 4px; height: 7px; margin-top: -2px; border: solid #10202a; border-width: 0 2px 2px 0;
  transform: rotate(45deg);
}
.interact-viewer input[type="radio"]:checked::before {
  content: ""; width: 6px; height: 6px; border-radius: 50%; background: #10202a;
}
.interact-viewer input[type="range"] {
  appearance: none; width: 100%; height: 14px; background: none; cursor: pointer;
}
.interact-viewer input[type="range"]::-webkit-slider-runnable-track {
  height: 3px;
  border-radius: 2px;
  background: var(--line);
}
.interact-viewer input[type="range"]::-moz-range-track {
  height: 3px;
  border-radius: 2px;
  background: var(--line);
}
.interact-viewer input[type="range"]::-webkit-slider-thumb {
  appearance: none; width: 12px; height: 12px; margin-top: -4.5px; border-radius: 50%; background: var(--ink);
}
.interact-viewer input[type="range"]::-moz-range-thumb {
  width: 12px; height: 12px; border: 0; border-radius: 50%; background: var(--ink);
}
.interact-compares { gap: 0; margin: 2px 6px; }
.interact-opacity { flex: 0 1 110px; display: flex; padding: 0 8px; }
.interact-viewer .interact-sheet .interact-button { padding: 0 6px; text-align: left; }
.interact-viewer .interact-sheet .interact-compares .interact-button { flex: 1; text-align: center; }
.interact-sheet label > span { white-space: nowrap; }

@container (min-width: 440px) { .interact-wide { display: none !important; } }
@container (max-width: 439px) {
  .interact-opacity { display: none; }
  .interact-warned:has(.interact-alarm:not([hidden])) + .interact-whole { top: 29px; }
}
@container (min-width: 360px) { .interact-narrow { display: none !important; } }
@container (max-width: 359px) {
  .interact-modes .interact-heat { display: none; }
  .interact-sound { display: none !important; }
  .interact-controls { gap: 2px; }
  .interact-viewer .interact-controls > .interact-button:not(.interact-play) { padding: 0 7px; }
  .interact-viewer .interact-modes .interact-button { padding: 0 6px; }
}
`;
