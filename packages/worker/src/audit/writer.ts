// Puts entries on the disk in groups, one group at a time; what comes meanwhile is the next group.
//
//   waiting ─▶ entries, then the tree's new nodes ─▶ fdatasync ─▶ done, flushed ─▶ a signed head, lazily
//
// Only entries are waited for on the disk: hashes and heads may be lost in a power cut without harm
// (opening.ts). When the disk does not take a group, the files are cut back to what was whole and the
// same group is tried again later.

import { messageOf, type Clock, type Log, type Timer } from "@openclaw-worker/base";
import {
  growTree,
  leafHash,
  type MerkleTree,
  type SignedCheckpoint,
} from "@openclaw-worker/protocol";
import { headLine, type OpenedLog } from "./opening.ts";

export interface Waiting {
  /** The leaf. */
  readonly text: string;
  /** Told the size of the log once it is on the disk; null: not now, and perhaps never. */
  readonly done: ((size: number | null) => void) | null;
}

/** Why the disk takes nothing from now on; null: it does again. */
export type Listener = (broken: string | null) => void;

interface WriterParts {
  readonly opened: OpenedLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Signs the head of the tree as it is on the disk. */
  readonly head: (tree: MerkleTree) => SignedCheckpoint;
}

interface Flush {
  readonly upTo: number;
  readonly resolve: (why: string | null) => void;
}

const headDelayMs = 1_000;
const retryMs = 2_000;
const groupMax = 4_096;

export class Writer {
  /** The tree of what is on the disk. */
  tree: MerkleTree;
  /** Why the disk takes nothing now. */
  broken: string | null = null;
  readonly #parts: WriterParts;
  readonly #listeners = new Set<Listener>();
  readonly #followers = new Set<() => void>();
  #waiting: Waiting[] = [];
  #flushes: Flush[] = [];
  /** Size that the last head in the file covers. */
  #signed: number;
  #headDue: boolean;
  #closed = false;
  #pumping: Promise<void> | null = null;
  #headTimer: Timer | null = null;
  #retryTimer: Timer | null = null;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.tree = parts.opened.tree;
    this.#signed = parts.opened.signed;
    this.#headDue = this.#signed < this.tree.size;
    this.#wake();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  put(entry: Waiting): void {
    this.#waiting.push(entry);
    if (this.broken === null) this.#wake();
  }

  /** Resolves when the first `upTo` entries are on the disk: null, or why they are not. */
  flushed(upTo: number): Promise<string | null> {
    if (upTo <= this.tree.size) return Promise.resolve(null);
    if (this.broken !== null) return Promise.resolve(this.broken);
    return new Promise((resolve) => this.#flushes.push({ upTo, resolve }));
  }

  watch(listener: Listener): Disposable {
    this.#listeners.add(listener);
    if (this.broken !== null) listener(this.broken);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Calls back after everything that was written. */
  follow(follower: () => void): Disposable {
    this.#followers.add(follower);
    return { [Symbol.dispose]: () => void this.#followers.delete(follower) };
  }

  /** Writes what waits and the last head, once, and closes the files. */
  async close(): Promise<void> {
    while (this.#pumping !== null) await this.#pumping;
    this.#closed = true;
    this.#headTimer?.cancel();
    this.#retryTimer?.cancel();
    this.#headDue = true;
    await this.#pump();
    const { opened } = this.#parts;
    await Promise.allSettled([opened.hashes.sync(), opened.heads.sync()]);
    await opened[Symbol.asyncDispose]();
  }

  #wake(): void {
    if (this.#pumping !== null || this.#closed) return;
    // A turn later: what is noted in one turn is one group.
    this.#pumping = Promise.resolve()
      .then(() => this.#pump())
      .finally(() => {
        this.#pumping = null;
        if (this.broken === null && this.#waiting.length > 0) this.#wake();
      });
  }

  async #pump(): Promise<void> {
    while (this.#waiting.length > 0 || this.#headDue) {
      const why = this.#waiting.length > 0 ? await this.#writeGroup() : await this.#writeHead();
      if (why !== null) return this.#fail(why);
      if (this.broken !== null) {
        this.#parts.log.info("the audit log can be written again");
        this.broken = null;
        this.#tell();
      }
      for (const follower of this.#followers) follower();
    }
  }

  async #writeGroup(): Promise<string | null> {
    const { entries, hashes } = this.#parts.opened;
    const group = this.#waiting.slice(0, groupMax);
    const tree = growTree(this.tree.frontier());
    const nodes = group.flatMap(({ text }) => tree.append(leafHash(text)));
    const before = { entries: entries.size, hashes: hashes.size };
    try {
      await entries.append(Buffer.from(group.map(({ text }) => `${text}\n`).join("")));
      await hashes.append(Buffer.concat(nodes));
      await entries.sync();
    } catch (thrown) {
      await Promise.all([entries.cut(before.entries), hashes.cut(before.hashes)]);
      return messageOf(thrown);
    }
    this.tree = tree;
    // New ones came to the end meanwhile.
    this.#waiting.splice(0, group.length);
    for (const { done } of group) done?.(tree.size);
    for (const { upTo, resolve } of this.#flushes) if (upTo <= tree.size) resolve(null);
    this.#flushes = this.#flushes.filter(({ upTo }) => upTo > tree.size);
    this.#headTimer ??= this.#parts.clock.after(headDelayMs, () => {
      this.#headTimer = null;
      this.#headDue = true;
      if (this.broken === null) this.#wake();
    });
    return null;
  }

  async #writeHead(): Promise<string | null> {
    const { entries, heads } = this.#parts.opened;
    const { size } = this.tree;
    if (this.#signed < size) {
      const head = this.#parts.head(this.tree);
      try {
        await heads.append(headLine({ bytes: entries.size, head }));
      } catch (thrown) {
        return messageOf(thrown);
      }
    }
    this.#signed = size;
    this.#headDue = false;
    return null;
  }

  #fail(why: string): void {
    const { log, clock } = this.#parts;
    const isNew = this.broken === null;
    if (isNew) log.error(`the audit log cannot be written: ${why}`);
    this.broken = why;
    for (const { done } of this.#waiting) done?.(null);
    this.#waiting = this.#waiting.map(({ text }) => ({ text, done: null }));
    for (const { resolve } of this.#flushes.splice(0)) resolve(why);
    if (!this.#closed) this.#retryTimer = clock.after(retryMs, () => this.#wake());
    if (isNew) this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.broken);
  }
}
