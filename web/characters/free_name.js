// @ts-check
/**
 * A name that nobody has yet: the same with the next free number, "Mira" and "Mira 2", "Character 1" and "Character 2".
 * @param {string} name @param {Set<string>} taken @param {number} [first] the number to begin with, for one without
 */
export function freeName(name, taken, first = 2) {
  const [, stem, last] = /^(.*?)(?:\s+(\d+))?$/su.exec(name.trim()) ?? [];
  let number = last === undefined ? first : Number(last) + 1;
  while (taken.has(`${stem} ${number}`.trim())) number += 1;
  return `${stem} ${number}`.trim();
}
