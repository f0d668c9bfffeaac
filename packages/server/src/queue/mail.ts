// What is on its way to workers: decisions, resumes, stops. The store keeps all of it; this is the
// copy that polls look at.
//
// A message is answered to the first poll of a worker process at once. It was heard of for certain
// only when the worker says so, and an answer may be lost on the way: until then every answer to a
// poll carries it again, and a few polls are held only shortly for its sake.

import type { Clock } from "@openclaw-worker/base";
import type { Envelope, StopOrder } from "@openclaw-worker/protocol";
import type { HaltRecord, Letter } from "../store/approval.ts";

/** What an answer to a poll carries beside tasks and cancels. */
export interface Post {
  readonly decisions: readonly Envelope[];
  readonly stop: StopOrder | null;
}

export interface Mail {
  /** All there is on the way: what is not named here is forgotten. */
  restore(letters: readonly Letter[], halts: readonly HaltRecord[]): void;
  /** Everybody whom something may be for. */
  names(): readonly string[];
  post(letter: Letter): void;
  /** An approval or a stop is over: nothing about it is sent any more. */
  forget(about: string): void;
  halt(record: HaltRecord): void;
  haltOf(worker: string): HaltRecord | null;
  /** It is stopped or shall be: it is handed no task. */
  isHalted(worker: string): boolean;
  /** Is there something that this worker process was not handed yet? */
  isNew(reader: Reader): boolean;
  /** How long a poll of this worker process may be held at most. */
  holdMsMax(reader: Reader): number;
  /** All there is for this worker; it counts as handed to this process. */
  collect(reader: Reader): Post;
}

export interface Reader {
  readonly name: string;
  readonly instance: string;
}

interface Item {
  readonly expiresAt: number;
  readonly letter: Letter | null;
  /** How often each worker process was handed it. */
  readonly handed: Map<string, number>;
}

interface Box {
  readonly letters: Map<number, Item>;
  record: HaltRecord | null;
  stop: Item | null;
}

const nothing: Post = { decisions: [], stop: null };
/** How soon, and how many times, an answer that was not heard is given again. */
const againMs = 2_000;
const againMax = 5;
/** Envelopes in one answer. */
const lettersPerAnswerMax = 64;
/** Worker processes that are told apart for one message. */
const instancesMax = 16;

export function createMail(clock: Clock): Mail {
  const boxes = new Map<string, Box>();

  return {
    restore(letters, halts) {
      const known = new Set(letters.map(({ id }) => id));
      for (const { letters: kept } of boxes.values()) {
        for (const id of kept.keys()) if (!known.has(id)) kept.delete(id);
      }
      for (const record of halts) halt(record);
      for (const letter of letters) post(letter);
    },
    names: () => [...boxes.keys()],
    post,
    forget(about) {
      for (const box of boxes.values()) {
        for (const [id, { letter }] of box.letters) {
          if (letter?.about === about) box.letters.delete(id);
        }
      }
    },
    halt,
    haltOf: (worker) => boxes.get(worker)?.record ?? null,
    isHalted(worker) {
      const record = boxes.get(worker)?.record ?? null;
      return record !== null && (record.order !== null || record.stopped !== null);
    },
    isNew: ({ name, instance }) => itemsOf(name).some(({ handed }) => !handed.has(instance)),
    holdMsMax({ name, instance }) {
      const isOpen = itemsOf(name).some(({ handed }) => (handed.get(instance) ?? 0) < againMax);
      return isOpen ? againMs : Number.POSITIVE_INFINITY;
    },
    collect({ name, instance }) {
      const items = itemsOf(name);
      if (items.length === 0) return nothing;
      for (const { handed } of items) {
        handed.set(instance, (handed.get(instance) ?? 0) + 1);
        const [oldest] = handed.keys();
        if (handed.size > instancesMax && oldest !== undefined) handed.delete(oldest);
      }
      return {
        decisions: items.flatMap(({ letter }) => (letter === null ? [] : [letter.envelope])),
        stop: boxes.get(name)?.record?.order ?? null,
      };
    },
  };

  function post(letter: Letter): void {
    const { letters } = boxOf(letter.worker);
    if (letters.has(letter.id)) return;
    letters.set(letter.id, { letter, expiresAt: letter.expiresAt, handed: new Map() });
  }

  function halt(record: HaltRecord): void {
    const box = boxOf(record.worker);
    if (record.order === null) box.stop = null;
    else if (record.order.id !== box.record?.order?.id)
      box.stop = { letter: null, expiresAt: Number.POSITIVE_INFINITY, handed: new Map() };
    box.record = record;
    // A resume is about one stop: what the worker is not stopped by needs none.
    const about = record.stopped?.id ?? record.order?.id;
    for (const [id, { letter }] of box.letters) {
      if (letter?.envelope.type === "resume" && letter.about !== about) box.letters.delete(id);
    }
  }

  function itemsOf(worker: string): readonly Item[] {
    const box = boxes.get(worker);
    if (box === undefined) return [];
    const now = clock.now();
    for (const [id, { expiresAt }] of box.letters) {
      if (expiresAt <= now) box.letters.delete(id);
    }
    const letters = box.letters.values().take(lettersPerAnswerMax).toArray();
    return box.stop === null ? letters : [...letters, box.stop];
  }

  function boxOf(worker: string): Box {
    const known = boxes.get(worker);
    if (known !== undefined) return known;
    const made: Box = { letters: new Map(), record: null, stop: null };
    boxes.set(worker, made);
    return made;
  }
}
