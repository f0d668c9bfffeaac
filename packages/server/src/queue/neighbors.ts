// Other processes on the same store: what they did reaches who waits here, and whom this one sees is
// told to them. Words can be lost, so there is a net under each of them: what is ready is looked at
// again and again, and after a connection that was away everything is.

import { chainOf, type Clock, type Log, type Timer } from "@openclaw-worker/base";
import type { TaskId } from "@openclaw-worker/protocol";
import type { News, Shared, Sighting } from "../store/shared.ts";
import type { Store } from "../store/store.ts";
import type { Approvals } from "./approvals.ts";
import { isAway } from "./away.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Mail } from "./mail.ts";
import type { Polls } from "./polls.ts";
import type { PresenceBook } from "./presence.ts";
import type { Readers } from "./readers.ts";

export interface NeighborOptions {
  readonly store: Store;
  readonly shared: Shared;
  readonly clock: Clock;
  readonly log: Log;
  readonly presence: PresenceBook;
  readonly mail: Mail;
  readonly polls: Polls;
  readonly readers: Readers;
  readonly approvals: Approvals;
  readonly deadlines: Deadlines;
  /** How often the net is drawn: it also moves the store's lease clock on. */
  readonly netMs: number;
}

export interface Neighbors extends Disposable {
  /** Looks at everything: at the start, and when words may be lost. */
  lookAgain(): Promise<void>;
}

export function joinNeighbors(options: NeighborOptions): Neighbors {
  const { store, shared, clock, log, presence, mail, polls, readers, approvals } = options;
  const quietly = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => {
      // While the store is away, it alone says so, once.
      if (!isAway(error)) log.warn("other processes", { why: chainOf(error) });
    });
  };
  const net = clock.every(options.netMs, () => {
    options.deadlines.within(0);
    quietly(shared.ready().then((selectors) => polls.offer(selectors)));
  });
  const subscription = shared.subscribe(hear);
  return {
    lookAgain,
    [Symbol.dispose]() {
      net.cancel();
      subscription[Symbol.dispose]();
    },
  };

  function hear(news: News): void {
    switch (news.kind) {
      case "ready":
        return polls.wake(news.selectors);
      case "ended":
        for (const taskId of news.taskIds) {
          polls.ended(taskId);
          if (readers.has(taskId)) quietly(tellReaders(taskId));
        }
        return;
      case "cancel":
        return polls.cancel(news.instance, news.held);
      case "freed":
        return void polls.freed(news.freed);
      case "asked":
        return approvals.changed(news.taskIds);
      case "letter":
        mail.post(news.letter);
        return polls.deliver(news.letter.worker);
      case "forget":
        return mail.forget(news.about);
      case "halt": {
        const { worker } = news.record;
        mail.halt(news.record);
        polls.deliver(worker);
        if (!mail.isHalted(worker)) polls.resumed(worker);
        return;
      }
      case "worker":
        return presence.heard(news.record);
      case "seen":
        return presence.sighted(news.sighting);
      case "again":
        return quietly(lookAgain());
    }
  }

  async function tellReaders(taskId: TaskId): Promise<void> {
    const result = await store.result(taskId);
    if (result !== null) readers.tell(taskId, result);
  }

  async function lookAgain(): Promise<void> {
    for (const record of await store.workers()) presence.heard(record);
    for (const sighting of await shared.sightings()) presence.sighted(sighting);
    mail.restore(await store.letters(), await store.halts());
    for (const name of mail.names()) {
      polls.deliver(name);
      if (!mail.isHalted(name)) polls.resumed(name);
    }
    approvals.changed();
    options.deadlines.within(0);
    await polls.offer(await shared.ready());
    for (const taskId of readers.ids()) await tellReaders(taskId);
  }
}

/** Who was seen here is told in bundles; who comes or goes, at once. */
const bundleMs = 1_000;

export interface Announcer extends Disposable {
  note(sighting: Sighting, news: boolean): void;
}

export function createAnnouncer(shared: Shared, clock: Clock, log: Log): Announcer {
  let seen = new Map<string, Sighting>();
  let timer: Timer | null = null;
  let isSoon = false;
  const flush = (): void => {
    timer = null;
    isSoon = false;
    const bundle = [...seen.values()];
    seen = new Map();
    shared.announce(bundle).catch((error: unknown) => {
      if (!isAway(error)) log.warn("presence was not told", { why: chainOf(error) });
      // What was seen meanwhile is newer.
      seen = new Map([...bundle.map((one) => [one.name, one] as const), ...seen]);
    });
  };
  return {
    note(sighting, news) {
      seen.set(sighting.name, sighting);
      if (timer !== null && (isSoon || !news)) return;
      timer?.cancel();
      isSoon = news;
      timer = clock.after(news ? 0 : bundleMs, flush);
    },
    [Symbol.dispose]() {
      timer?.cancel();
    },
  };
}
