// Everybody who talks to the server while it is killed, and what they saw.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "@openclaw-worker/client";
import { acceptedSchema, resultSchema } from "@openclaw-worker/protocol";
import type { Event, Standing } from "../history.ts";
import { runOldWorker } from "../old-worker.ts";
import { until } from "../scene.ts";
import type { Wire } from "../wire.ts";

/** Where the crowd asks. */
export interface Desk {
  readonly client: Client;
  readonly wire: Wire;
}

export interface CrowdParts {
  readonly events: Event[];
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Tasks that are submitted in all. */
  readonly submits: number;
  /** A store that is away is answered 503, and asked again. */
  readonly mayBeAway?: boolean;
}

/** Everybody who talks to the server; whatever they saw is in `events`. */
export function openCrowd({ client, wire }: Desk, parts: CrowdParts) {
  const { events, random, signal, submits, mayBeAway = false } = parts;
  const accepted: string[] = [];
  const ended = new Set<string>();
  let begun = 0;
  const watchers: (() => void)[] = [];

  const isAway = ({ status }: { readonly status: number }): boolean => mayBeAway && status === 503;
  const accept = (marker: string, taskId: string): void => {
    accepted.push(taskId);
    events.push({ kind: "accepted", marker, taskId });
    for (const watcher of watchers.splice(0)) watcher();
    if (random() < 0.3) void read(taskId);
  };

  const read = async (taskId: string): Promise<void> => {
    const answer = await wire.ask({ path: `/tasks/${taskId}?wait=20000` }).catch(() => null);
    if (answer === null || isAway(answer)) return pause(20);
    assert.equal(answer.status, 200, `an accepted task was answered ${answer.text}`);
    const result = resultSchema.safeParse(answer.json());
    if (!result.success) return;
    ended.add(taskId);
    events.push({ kind: "read", taskId, outcome: result.data.outcome, proof: result.data.stdout });
  };

  /** With a key an unanswered submit is said again; without one nobody knows what became of it. */
  const submitOne = async (): Promise<void> => {
    const marker = randomUUID();
    const keyed = random() < 0.7;
    const headers = keyed ? { "idempotency-key": marker } : {};
    const body = { command: `echo ${marker}`, timeout: 1_000 };
    while (!signal.aborted) {
      const answer = await wire
        .ask({ method: "POST", path: "/tasks", body, headers })
        .catch(() => null);
      if (answer !== null && !isAway(answer)) {
        assert.equal(answer.status, 200, answer.text);
        return accept(marker, acceptedSchema.parse(answer.json()).taskId);
      }
      await pause(10);
      if (!keyed) return;
    }
  };

  return {
    async submitAll() {
      while (accepted.length + begun < submits) {
        begun += 1;
        await submitOne();
        begun -= 1;
      }
    },
    work: (name: string) =>
      runOldWorker({
        wire,
        name,
        signal,
        async run({ id }) {
          const proof = randomUUID();
          events.push({
            kind: "began",
            taskId: id,
            worker: name,
            proof,
          });
          await pause(20);
          return proof;
        },
        confirmed: ({ id }, proof) =>
          events.push({
            kind: "confirmed",
            taskId: id,
            proof,
          }),
      }),
    async acceptedAtLeast(count: number) {
      while (accepted.length < count) await new Promise<void>((resolve) => watchers.push(resolve));
    },
    async allEnded() {
      // A task whose submit was never answered is nobody's to read, and ends all the same.
      await until(async () => {
        const running = await client.list({ status: "running", limit: 1 });
        const pending = await client.list({ status: "pending", limit: 1 });
        return running.tasks.length + pending.tasks.length === 0 ? true : undefined;
      });
      for (const taskId of accepted)
        while (!ended.has(taskId) && !signal.aborted) await read(taskId);
    },
  };
}

export async function standingsOf({ client }: Desk): Promise<readonly Standing[]> {
  const standings: Standing[] = [];
  let cursor: string | null = null;
  do {
    const page = await client.list(cursor === null ? { limit: 200 } : { limit: 200, cursor });
    for (const { taskId, summary } of page.tasks) {
      const view = await client.get(taskId);
      const marker = summary.replace(/^echo /, "");
      const ending =
        view.state === "finished"
          ? { outcome: view.result.outcome, proof: view.result.stdout }
          : null;
      standings.push({ marker, taskId, ending });
    }
    ({ cursor } = page);
  } while (cursor !== null);
  return standings;
}
