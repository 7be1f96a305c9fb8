// @ts-check
/** What the server knows of prompts that were queued. */

/** @typedef {(path: string) => Promise<Response>} FetchApi ComfyUI's api.fetchApi */

export class Prompts {
  /** The answer for the latest prompt: every node of a run asks for it. @type {{prompt: string, workflow: Promise<string | undefined>} | undefined} */
  #latest;

  /** @param {FetchApi} fetchApi */
  constructor(fetchApi) {
    this.fetchApi = fetchApi;
  }

  /** The id of the workflow that a prompt was queued from, if the server knows. @param {string} prompt */
  workflowOf(prompt) {
    if (this.#latest?.prompt === prompt) return this.#latest.workflow;
    const workflow = this.#ask(prompt);
    this.#latest = { prompt, workflow };
    void workflow.then((id) => {
      if (id === undefined && this.#latest?.prompt === prompt) this.#latest = undefined; // it may know later
    });
    return workflow;
  }

  /** @param {string} prompt @returns {Promise<string | undefined>} */
  async #ask(prompt) {
    try {
      const queue = await (await this.fetchApi("/queue")).json();
      const running = queue.queue_running?.find((/** @type {any[]} */ item) => item[1] === prompt);
      return (running ?? (await this.historyOf(prompt))?.prompt)?.[3]?.extra_pnginfo?.workflow?.id;
    } catch {
      return undefined;
    }
  }

  /** @param {string} prompt */
  async historyOf(prompt) {
    return (await (await this.fetchApi(`/history/${encodeURIComponent(prompt)}`)).json())[prompt];
  }
}
