// @ts-check
import { addStyle, useStyle } from "../viewer/style.js";

const MARK = "interact-dialogue-style";
export const GUTTER = 148; // CSS pixels

/** Puts the timeline's style into a page, once; its looks are those of the mask viewer. @param {Document} page */
export function useDialogueStyle(page) {
  useStyle(page);
  addStyle(page, MARK, STYLE);
}

const STYLE = `
.interact-viewer.interact-dialogue { min-height: 300px; gap: 6px; }
.interact-dialogue .interact-timeline {
  flex: 1 1 0; position: relative; display: grid; grid-template: 24px 1fr / ${GUTTER}px 1fr; min-height: 84px; overflow: hidden;
}
.interact-dialogue .interact-ruler { position: relative; cursor: pointer; touch-action: none; }
.interact-dialogue .interact-tracks {
  grid-column: 1 / -1; position: relative; display: grid; grid-template-columns: ${GUTTER}px 1fr; align-content: start;
  overflow: hidden auto; scrollbar-width: none;
}
.interact-dialogue .interact-tracks::-webkit-scrollbar { display: none; }
.interact-dialogue .interact-surface { position: relative; touch-action: none; overflow: hidden; border-radius: 5px; }
.interact-dialogue .interact-surface:focus { outline: none; }
.interact-dialogue .interact-surface:focus-visible { box-shadow: inset 0 0 0 1.5px var(--accent); }
.interact-dialogue canvas { display: block; width: 100%; height: 100%; }
.interact-dialogue .interact-options { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.interact-dialogue .interact-playhead {
  position: absolute; top: 0; left: ${GUTTER}px; width: 1px; background: var(--ink); pointer-events: none; will-change: transform;
}
.interact-dialogue .interact-playhead::before {
  content: ""; position: absolute; top: 8px; left: -4px; width: 9px; height: 9px; border-radius: 2px 2px 50% 50%; background: var(--ink);
}
.interact-dialogue .interact-track { position: relative; height: 60px; padding: 6px 8px 0 2px; }
.interact-dialogue .interact-track-name {
  width: 100%; height: 22px; padding: 0 18px 0 18px; overflow: hidden; border: 1px solid transparent; border-radius: 5px;
  background: none; color: inherit; font: inherit; font-weight: 500; text-overflow: ellipsis;
}
.interact-dialogue .interact-track-name:hover { background: var(--soft); }
.interact-dialogue .interact-track-name:focus { border-color: var(--line); background: var(--soft); outline: none; }
.interact-dialogue .interact-track > .interact-swatch { position: absolute; top: 12px; left: 6px; width: 10px; height: 10px; padding: 0; border: 0; border-radius: 50%; cursor: grab; touch-action: none; }
.interact-dialogue .interact-track > .interact-track-remove {
  position: absolute; top: 7px; right: 9px; width: 18px; height: 20px; padding: 0; color: var(--faint); opacity: 0;
}
.interact-dialogue .interact-track:hover > .interact-track-remove, .interact-dialogue .interact-track-remove:focus-visible { opacity: 1; }
.interact-dialogue .interact-track-tools { display: flex; align-items: center; gap: 3px; height: 22px; margin: 2px 0 0 6px; }
.interact-dialogue .interact-track-tools button {
  flex: none; display: grid; place-items: center; width: 20px; height: 18px; padding: 0; border-radius: 4px; background: var(--soft);
  color: var(--faint); font-size: 10px; font-weight: 600; line-height: 1;
}
.interact-dialogue .interact-track-tools button:hover { background: var(--line); }
.interact-dialogue .interact-track-tools button[aria-pressed="true"] { background: var(--accent); color: #10202a; }
.interact-dialogue .interact-track-tools .interact-track-mute[aria-pressed="true"] { background: #d55e00; color: #fff; }
.interact-dialogue .interact-track-tools .interact-track-record::before {
  content: ""; width: 8px; height: 8px; border-radius: 50%; background: #d0342c;
}
.interact-dialogue .interact-track-tools .interact-track-record[aria-pressed="true"] { background: #d0342c; }
.interact-dialogue .interact-track-tools .interact-track-record[aria-pressed="true"]::before { border-radius: 1px; background: #fff; }
.interact-dialogue .interact-track-tools input[type="range"] { flex: 1 1 0; min-width: 0; margin-left: 4px; }
.interact-dialogue .interact-track[data-silent] .interact-track-name { color: var(--faint); }
.interact-dialogue .interact-more {
  height: 22px; margin: 3px 0 0 6px; padding: 0 8px; border-radius: 5px; color: var(--faint); font-size: 11px;
}
.interact-dialogue .interact-more:hover { background: var(--soft); color: var(--ink); }
.interact-dialogue .interact-scroll { flex: none; height: 10px; margin-left: ${GUTTER}px; overflow: auto hidden; scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
.interact-dialogue .interact-scroll div { height: 1px; }
.interact-dialogue .interact-clip { flex: none; display: flex; align-items: center; gap: 6px; height: 26px; }
.interact-dialogue .interact-clip[data-none] > * { visibility: hidden; }
.interact-dialogue .interact-clip > .interact-hint { visibility: visible; position: absolute; left: 14px; color: var(--faint); pointer-events: none; }
.interact-dialogue .interact-clip:not([data-none]) > .interact-hint { display: none; }
.interact-dialogue .interact-clip .interact-label {
  flex: 1 1 0; min-width: 60px; height: 24px; padding: 0 8px; border: 1px solid var(--line); border-radius: 5px; background: none; color: inherit; font: inherit;
}
.interact-dialogue .interact-clip .interact-place { flex: none; color: var(--faint); font-variant-numeric: tabular-nums; }
.interact-dialogue .interact-clip label { flex: 0 1 150px; display: flex; align-items: center; gap: 8px; min-width: 90px; }
.interact-dialogue .interact-clip output { flex: none; width: 52px; color: var(--faint); font-variant-numeric: tabular-nums; text-align: right; }
.interact-dialogue .interact-button[aria-pressed="true"] { background: var(--line); }
.interact-dialogue .interact-sign { width: 26px; padding: 0; }
.interact-dialogue .interact-sheet input[type="number"] {
  width: 56px; height: 22px; margin-left: auto; padding: 0 6px; border: 1px solid var(--line); border-radius: 4px; background: none; color: inherit; font: inherit;
}
.interact-dialogue .interact-keys { display: grid; grid-template-columns: auto 1fr; gap: 3px 14px; padding: 2px 6px; font-size: 11px; }
.interact-dialogue .interact-keys dt { color: var(--ink); white-space: nowrap; }
.interact-dialogue .interact-keys dd { margin: 0; color: var(--faint); }
@container (max-width: 519px) { .interact-dialogue .interact-clip .interact-place { display: none; } }
@container (max-width: 459px) { .interact-dialogue .interact-zoom { display: none; } }
`;
