// @ts-check
/**
 * Calls `then` after what a node itself does.
 * @param {any} node @param {string} event @param {(...words: any[]) => void} then
 */
export function chain(node, event, then) {
  const own = node[event];
  node[event] = function (/** @type {any[]} */ ...words) {
    const result = own?.apply(this, words);
    then(...words);
    return result;
  };
}
