// @ts-check
/** The runs of a workflow that the server remembers, without a word of them in the workflow itself. */
import { changedAbove } from "./graph_changes.js";

/** @typedef {import("./prompts.js").Prompts} Prompts */
/** @typedef {import("./viewer/types.js").Manifest} Manifest */
/** @typedef {{workflow: any, outputs: Record<string, any>}} Entry what was queued, in UI form, and what its nodes put out */
/**
 * The manifest that a node put out, and the execution ids of nodes that were told something else then.
 * @typedef {{manifest: Manifest, changed: string[]}} PastRun
 */

const MOST = 8; // runs of one workflow that are looked through: each is asked for with all that it put out
const STORE = "InterAct.workflowsThatRan"; // in the browser's storage
const MOST_REMEMBERED = 100; // workflows

export class PastRuns {
  /** @param {Prompts} prompts @param {Storage} storage */
  constructor(prompts, storage) {
    this.prompts = prompts;
    this.storage = storage;
  }

  /**
   * The run that a node shows: the newest one of its workflow in which the nodes above it were told what they are told
   * now, else the newest. A node that was not there yet shows what another one showed of its sampler. Raises where the
   * server does not answer.
   * @param {any} workflow as it is now, in UI form @param {string[]} ids the node's execution ids
   * @param {string} output key of the manifest @param {(entry: Entry) => {shower: string, meant: string} | undefined} [other]
   * what another node showed, and the node that it depends on @returns {Promise<PastRun | undefined>}
   */
  async find(workflow, ids, output, other = () => undefined) {
    /** @type {PastRun | undefined} */
    let newest;
    for await (const entry of this.entries(workflow.id)) {
      const own = ids.find((one) => entry.outputs[one]?.[output]);
      const id = own === undefined ? other(entry) : { shower: own, meant: own };
      if (id === undefined) continue;
      const changed = changedAbove(entry.workflow, workflow, id.meant);
      const found = { manifest: entry.outputs[id.shower][output][0], changed };
      if (!changed.length) return found;
      newest ??= found;
    }
    return newest;
  }

  /** The runs of a workflow, the newest first. @param {string} workflow an id @returns {AsyncGenerator<Entry>} */
  async *entries(workflow) {
    const wanted = { workflow_id: workflow, status: "completed,failed,cancelled", limit: String(MOST) };
    const answer = await this.prompts.fetchApi(`/jobs?${new URLSearchParams(wanted)}`);
    const { jobs = [] } = answer.ok ? await answer.json() : {};
    for (const { id } of jobs) {
      const entry = await this.prompts.historyOf(id);
      const queued = entry?.prompt?.[3]?.extra_pnginfo?.workflow;
      if (queued) yield { workflow: queued, outputs: entry.outputs ?? {} };
    }
  }

  /** The workflow with this id that runs now, in UI form. @param {string} workflow */
  async running(workflow) {
    const queue = await (await this.prompts.fetchApi("/queue")).json();
    /** @type {any[][]} */
    const items = queue.queue_running ?? [];
    return items.map((item) => item[3]?.extra_pnginfo?.workflow).find((queued) => queued?.id === workflow);
  }

  /** @param {string} workflow an id @returns whether it has run in this browser, as far as that is remembered */
  hasRun(workflow) {
    return this.#remembered().includes(workflow);
  }

  /** @param {string} workflow an id */
  remember(workflow) {
    const others = this.#remembered().filter((other) => other !== workflow);
    try {
      this.storage.setItem(STORE, JSON.stringify([...others, workflow].slice(-MOST_REMEMBERED)));
    } catch {
      // A full storage costs one sentence after a reload.
    }
  }

  /** @returns {string[]} */
  #remembered() {
    try {
      const known = JSON.parse(this.storage.getItem(STORE) ?? "[]");
      return Array.isArray(known) ? known : [];
    } catch {
      return [];
    }
  }
}
