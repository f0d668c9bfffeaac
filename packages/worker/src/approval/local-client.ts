// The command line's end of the local socket.

import { abortable } from "@openclaw-worker/base";
import { stoppedSchema, type Stopped } from "@openclaw-worker/protocol";
import { z } from "zod";
import type { LocalDecision } from "./desk.ts";
import { createLines } from "./lines.ts";
import { connectIn } from "./socket.ts";
import {
  doneSchema,
  lineBytesMax,
  localAnswerSchema,
  localGrantSchema,
  localStatusSchema,
  localViewSchema,
  type LocalGrant,
  type LocalRequest,
  type LocalStatus,
  type LocalView,
} from "./wire.ts";

/** A connection to the worker that runs on this computer. Every call rejects when it is gone. */
export interface Local extends Disposable {
  ping(): Promise<void>;
  status(): Promise<LocalStatus>;
  list(): Promise<LocalView>;
  /** Calls back with what waits now, and after every change, until the connection ends. */
  watch(changed: (view: LocalView) => void): Promise<void>;
  /** Null: it counts. Else why it does not. */
  decide(decision: LocalDecision): Promise<string | null>;
  stop(reason: string): Promise<Stopped>;
  /** Null: tasks are taken again. Else why not. */
  resume(): Promise<string | null>;
  grants(): Promise<readonly LocalGrant[]>;
  /** Null: it is revoked. Else why not. */
  revokeGrant(id: string): Promise<string | null>;
  /** Resolves when the worker has hung up. */
  readonly ended: Promise<void>;
}

type Order = LocalRequest extends infer One
  ? One extends unknown
    ? Omit<One, "n">
    : never
  : never;

/**
 * Connects to the worker whose state folder this is; null when none runs there.
 * @param stateDir absolute path, as the worker's configuration names it
 * @param signal aborted: every call that waits rejects with its reason
 */
export async function openLocal(stateDir: string, signal: AbortSignal): Promise<Local | null> {
  const socket = await connectIn(stateDir);
  if (socket === null) return null;
  const lines = createLines(lineBytesMax);
  const calls = new Map<number, PromiseWithResolvers<unknown>>();
  const ended = Promise.withResolvers<void>();
  let changed: ((view: LocalView) => void) | null = null;
  let count = 0;

  const end = (): void => {
    socket.destroy();
    for (const call of calls.values()) call.reject(new Error("the worker has hung up"));
    calls.clear();
    ended.resolve();
  };
  const receive = (line: string): void => {
    const message = localAnswerSchema.parse(JSON.parse(line));
    if ("view" in message) return changed?.(message.view);
    const call = calls.get(message.n);
    calls.delete(message.n);
    if ("error" in message) call?.reject(new Error(message.error));
    else call?.resolve(message.value);
  };
  socket.on("data", (chunk) => {
    try {
      const complete = lines.push(chunk);
      if (complete === null) return end();
      for (const line of complete) receive(line);
    } catch {
      // Another program's socket, or another version's: nothing that it says is believed.
      end();
    }
  });
  socket.on("error", end);
  socket.on("close", end);

  const call = async <T>(order: Order, schema: z.ZodType<T>): Promise<T> => {
    count += 1;
    const answer = Promise.withResolvers<unknown>();
    calls.set(count, answer);
    if (socket.destroyed) answer.reject(new Error("the worker has hung up"));
    else socket.write(`${JSON.stringify({ ...order, n: count })}\n`);
    return schema.parse(await abortable(answer.promise, signal));
  };
  const because = async (order: Order): Promise<string | null> =>
    (await call(order, doneSchema)).because;

  return {
    ping: async () => void (await call({ op: "ping" }, z.null())),
    status: () => call({ op: "status" }, localStatusSchema),
    list: () => call({ op: "list" }, localViewSchema),
    async watch(watcher) {
      changed = watcher;
      watcher(await call({ op: "watch" }, localViewSchema));
    },
    decide: (decision) => because({ op: "decide", ...decision }),
    stop: (reason) => call({ op: "stop", reason }, stoppedSchema),
    resume: () => because({ op: "resume" }),
    grants: () => call({ op: "grants" }, z.array(localGrantSchema)),
    revokeGrant: (id) => because({ op: "revoke-grant", id }),
    ended: ended.promise,
    [Symbol.dispose]: end,
  };
}
