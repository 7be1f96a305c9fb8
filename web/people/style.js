// @ts-check
import { addStyle, useStyle } from "../viewer/style.js";

const MARK = "interact-people-style";

/** Puts the style of the people's picture into a page, once; its looks are those of the mask viewer. @param {Document} page */
export function usePeopleStyle(page) {
  useStyle(page);
  addStyle(page, MARK, STYLE);
}

const STYLE = `
.interact-viewer.interact-people { min-height: 300px; gap: 6px; }
.interact-people .interact-status { white-space: normal; }
.interact-people .interact-head { height: auto; min-height: 18px; }
.interact-people .interact-stage { flex: 3 1 0; min-height: 120px; }
.interact-people-picture { position: absolute; inset: 0; width: 100%; height: 100%; }
.interact-people-picture path { cursor: pointer; stroke-width: 2px; stroke-linejoin: round; }
.interact-people-picture path:hover { filter: brightness(1.35); }
.interact-people-picture path[data-selected] { stroke-width: 4px; }
.interact-people-picture path[data-dropped] { fill: rgb(20 20 22 / 0.55); stroke: #9a9aa0; stroke-dasharray: 5 4; }
.interact-people-picture[data-merging] path { cursor: copy; }
.interact-people-picture text {
  fill: #fff; stroke: rgb(0 0 0 / 0.75); paint-order: stroke; font-weight: 600; text-anchor: middle; dominant-baseline: middle;
  pointer-events: none;
}
.interact-people-rows { flex: 0 1 auto; display: flex; flex-direction: column; gap: 3px; max-height: 45%; overflow-y: auto; scrollbar-width: thin; }
.interact-people-row { flex: none; display: flex; align-items: center; gap: 4px; height: 28px; padding: 0 3px; border-radius: 6px; }
.interact-people-row[data-selected] { background: var(--soft); }
.interact-people-row[data-left] { justify-content: space-between; padding-left: 34px; }
.interact-viewer .interact-people-number {
  flex: none; width: 24px; height: 22px; padding: 0; color: #000; font-weight: 600; font-variant-numeric: tabular-nums;
}
.interact-viewer .interact-people-number[aria-pressed="true"] { box-shadow: 0 0 0 2px var(--ink); }
.interact-people-row input {
  flex: 1 1 60px; min-width: 50px; height: 24px; padding: 0 8px; border: 1px solid var(--line); border-radius: 5px;
  background: none; color: inherit; font: inherit; user-select: text;
}
.interact-people-row input::placeholder { color: var(--faint); }
.interact-people-note { flex: 0 1 auto; overflow: hidden; color: var(--faint); font-size: 11px; white-space: nowrap; text-overflow: ellipsis; }
.interact-viewer .interact-people-row .interact-button { flex: none; height: 24px; padding: 0 7px; }
.interact-viewer .interact-people-row .interact-arrow { width: 22px; padding: 0; }
.interact-viewer .interact-find { background: var(--accent); color: #10202a; font-weight: 600; }
.interact-viewer .interact-find:hover:not(:disabled) { background: color-mix(in srgb, var(--accent) 85%, white); }
.interact-people .interact-controls .interact-arrow { width: 26px; padding: 0; }
.interact-people .interact-keys { display: grid; grid-template-columns: auto 1fr; gap: 3px 14px; margin: 0; padding: 2px 6px; font-size: 11px; }
.interact-people .interact-keys dt { color: var(--ink); white-space: nowrap; }
.interact-people .interact-keys dd { margin: 0; color: var(--faint); }
`;
