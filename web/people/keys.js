// @ts-check
/** @typedef {import("./editor.js").PeopleEditor} PeopleEditor */

/** What the keys do in the list; all of them are in words.js. @param {PeopleEditor} editor @param {KeyboardEvent} event */
export function keyAction(editor, event) {
  const place = editor.rows.focused;
  const action = history(editor, event) ?? merging(editor, event) ?? (place && inRow(editor, event, place));
  if (!action && event.target instanceof HTMLInputElement) return event.stopPropagation(); // it is typed in
  if (!action) return undefined;
  action();
  // ComfyUI listens at the window first and reads the event a frame later: without a key it finds nothing to undo.
  Object.defineProperty(event, "key", { value: "Unidentified" });
  event.preventDefault();
  return event.stopPropagation();
}

/** @param {PeopleEditor} editor @param {KeyboardEvent} event */
function history(editor, event) {
  if (!(event.ctrlKey || event.metaKey)) return undefined;
  const typed = event.target instanceof HTMLInputElement && event.target.value !== event.target.defaultValue;
  if (typed) return undefined; // the field undoes what was typed
  const key = event.key.toLowerCase();
  if (key === "z") return () => (event.shiftKey ? editor.redo() : editor.undo());
  return key === "y" ? () => editor.redo() : undefined;
}

/** @param {PeopleEditor} editor @param {KeyboardEvent} event */
const merging = (editor, event) => (event.key === "Escape" && editor.merging !== null ? () => editor.cancelMerging() : undefined);

/**
 * @param {PeopleEditor} editor @param {KeyboardEvent} event
 * @param {{index: number, what: "input" | "button"}} place @returns {(() => void) | undefined}
 */
function inRow(editor, event, { index, what }) {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (by && event.altKey) return () => settle(editor, index, () => editor.move(index, by));
  const typing = what === "input";
  if (typing && event.key === "Enter") return () => settle(editor, index, () => editor.rows.focus(index + 1));
  const onNumber = event.target instanceof HTMLElement && event.target.classList.contains("interact-people-number");
  if (by && onNumber) return () => editor.rows.focus(index + by, "button");
  if (onNumber && event.key === "Delete") return () => editor.drop(index);
  return onNumber && event.key.toLowerCase() === "m" && !event.ctrlKey ? () => editor.startMerging(index) : undefined;
}

/** What was typed counts before anything else happens. @param {PeopleEditor} editor @param {number} index @param {() => void} then */
function settle(editor, index, then) {
  const name = editor.rows.element.children[index]?.querySelector("input");
  if (name && document.activeElement === name) editor.rename(index, name.value);
  then();
}
