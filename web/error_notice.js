// @ts-check
/**
 * ComfyUI's notice of a run that failed says the same of every node and keeps the reason behind a button: here the
 * reason is put into the notice. Where a frontend has another notice, it stays as it is.
 */

const NOTICE = '[data-testid="error-overlay-messages"] p';
const PATIENCE = 3000; // milliseconds until the notice is there, and says the last that it has to say

export class ErrorNotice {
  /** What ComfyUI has said itself, where it was replaced. @type {{place: Element, own: string} | undefined} */
  #replaced;
  /** @type {MutationObserver | undefined} */
  #waiting;

  /** Puts a sentence into the notice that comes now. @param {string} sentence @param {Document} page */
  explain(sentence, page = document) {
    this.restore();
    const put = () => {
      const place = page.querySelector(NOTICE);
      if (!place || place.textContent === sentence) return; // one that stood there for another error is written again
      this.#replaced = { place, own: place.textContent ?? "" };
      place.textContent = sentence;
      place.setAttribute("title", sentence); // it is cut after some lines
    };
    const waiting = new MutationObserver(put);
    this.#waiting = waiting;
    waiting.observe(page.body, { childList: true, characterData: true, subtree: true });
    setTimeout(() => waiting.disconnect(), PATIENCE);
    put();
  }

  /** The next notice is not of ours: what ComfyUI itself says is there again. */
  restore() {
    this.#waiting?.disconnect();
    if (this.#replaced?.place.isConnected) {
      this.#replaced.place.textContent = this.#replaced.own;
      this.#replaced.place.removeAttribute("title");
    }
    this.#replaced = undefined;
  }
}
