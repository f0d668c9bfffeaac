// The keys of Redis as records, to be moved to another engine or filled from one.

import { silentLog, type Clock } from "@openclaw-worker/base";
import { randomUUID } from "node:crypto";
import type { ApprovalFacts, MoveRecord, TaskFacts, Vault } from "../move/record.ts";
import { StoreRefused } from "../refused.ts";
import { parseAddress, type Address } from "./address.ts";
import { createChain } from "./chain.ts";
import { openConnection, prefixOf, type Connection } from "./connection.ts";
import { fillOf } from "./fill.ts";
import { nodeBytes, nodesPerKey } from "./lua/watch.ts";
import { kindOf, resultOf, workerOf } from "./records.ts";
import { hashOf, listOf, numberOf, textOf } from "./replies.ts";
import { layout } from "./store.ts";

export interface RedisVaultOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly unchecked?: boolean;
}

interface Parts {
  readonly connection: Connection;
  readonly prefix: string;
  readonly clock: Clock;
}

const pageSize = 500;
const membersAtOnce = 50;
/** A server says this often and more that it is there. */
const serverMs = 30_000;

/** @throws StoreRefused when it cannot be used, or a server serves from it */
export async function openRedisVault(options: RedisVaultOptions): Promise<Vault> {
  const { url, clock } = options;
  const address = parseAddress(url);
  const prefix = prefixOf(address);
  const connection = await openConnection({
    url,
    address,
    clock,
    log: silentLog,
    origin: randomUUID(),
    scripts: [],
    unchecked: options.unchecked ?? false,
    // Nobody is told of what is linked here, and no lease is looked at.
    head: () => ["", "", 0],
  });
  const meta = `${prefix}meta`;
  const parts = { connection, prefix, clock };
  try {
    await mustBeIdle(parts);
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
  return {
    records: () => recordsOf(parts),
    isHalf: async () => (await connection.call("HEXISTS", meta, "moving")) === 1,
    async begin() {
      await connection.call("HSET", meta, "layout", layout, "moving", clock.now());
      await wipe(parts, address);
    },
    async put(records) {
      const commands = fillOf(records, prefix);
      await Promise.all(commands.map(([name, ...args]) => connection.call(name, ...args)));
    },
    async finish() {
      await connection.call("HDEL", meta, "moving");
    },
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

async function mustBeIdle({ connection, prefix }: Parts): Promise<void> {
  const [seconds] = listOf(await connection.call("TIME"));
  const since = numberOf(seconds) * 1_000 - serverMs;
  const key = `${prefix}processes`;
  const servers = listOf(await connection.call("ZRANGEBYSCORE", key, since, "+inf"));
  if (servers.length > 0)
    throw new StoreRefused(
      `${servers.length} server(s) work on this store, or did within the last ${serverMs / 1_000} s. Stop them first; one that was killed is forgotten after that time.`,
    );
}

async function wipe({ connection, prefix }: Parts, { way }: Address): Promise<void> {
  if (way === "cluster") {
    // SCAN asks one node, whichever: in a cluster nothing is removed by guess.
    if ((await connection.call("EXISTS", `${prefix}all`, `${prefix}workers`)) === 0) return;
    throw new StoreRefused("In a cluster the target must be empty: choose another ?name=.");
  }
  let cursor = "0";
  do {
    const page = await connection.call("SCAN", cursor, "MATCH", `${prefix}*`, "COUNT", 1_000);
    const [next, keys] = listOf(page);
    const doomed = listOf(keys)
      .map(textOf)
      .filter((key) => key !== `${prefix}meta`);
    if (doomed.length > 0) await connection.call("UNLINK", ...doomed);
    cursor = textOf(next);
  } while (cursor !== "0");
}

async function* recordsOf(parts: Parts): AsyncGenerator<MoveRecord> {
  const { connection, prefix } = parts;
  const last = numberOf((await connection.call("GET", `${prefix}changes`)) ?? 0);
  if (last > 0) yield { kind: "changes", last };
  const workers = listOf(await connection.call("HVALS", `${prefix}workers`));
  for (const worker of workers.map((one) => workerOf(textOf(one))).toSorted(byName))
    yield { kind: "worker", worker };
  const sessions = listOf(await connection.call("ZRANGE", `${prefix}sessions`, 0, -1)).map(textOf);
  for (const sessionId of sessions.toSorted(byBytes)) {
    const info = hashOf(await connection.call("HGETALL", `${prefix}session-info:${sessionId}`));
    const session = {
      sessionId,
      kind: kindOf(textOf(info.get("kind"))),
      taskCount: numberOf(info.get("tasks")),
      lastActivity: numberOf(info.get("last")),
    };
    yield { kind: "session", session };
  }
  for await (const page of membersOf(parts, `${prefix}all`))
    for (const task of await Promise.all(page.map((id) => taskFacts(parts, id))))
      yield { kind: "task", task };
  for (const line of listOf(await connection.call("LRANGE", `${prefix}events`, 0, -1))) {
    const [id, type, at, taskId, details = ""] = textOf(line).split("\t");
    yield {
      kind: "event",
      id: numberOf(id),
      type: String(JSON.parse(textOf(type))),
      at: numberOf(at),
      taskId: JSON.parse(textOf(taskId)),
      details: details === "" ? null : JSON.parse(details),
    };
  }
  for await (const page of membersOf(parts, `${prefix}approvals`))
    for (const approval of await Promise.all(page.map((id) => approvalFacts(parts, id))))
      yield { kind: "approval", approval };
  yield* watched(parts);
}

async function* watched(parts: Parts): AsyncGenerator<MoveRecord> {
  const { connection, prefix } = parts;
  const letters = listOf(await connection.call("ZRANGE", `${prefix}letters`, 0, -1)).map(numberOf);
  for (const id of letters.toSorted((one, other) => one - other)) {
    const letter = hashOf(await connection.call("HGETALL", `${prefix}letter:${id}`));
    yield {
      kind: "letter",
      id,
      worker: textOf(letter.get("worker")),
      about: textOf(letter.get("about")),
      envelope: JSON.parse(textOf(letter.get("envelope"))),
      expiresAt: numberOf(letter.get("expires")),
    };
  }
  for (const worker of listOf(await connection.call("ZRANGE", `${prefix}halts`, 0, -1))) {
    const halt = hashOf(await connection.call("HGETALL", `${prefix}halt:${textOf(worker)}`));
    const [ordered, stopped] = [halt.get("ordered") ?? "null", halt.get("stopped") ?? "null"];
    const facts = { ordered: JSON.parse(ordered), stopped: JSON.parse(stopped) };
    yield { kind: "halt", worker: textOf(worker), ...facts };
  }
  const names = listOf(await connection.call("SMEMBERS", `${prefix}witnesses`)).map(textOf);
  names.sort(byBytes);
  for (const worker of names) {
    const known = hashOf(await connection.call("HGETALL", `${prefix}witness:${worker}`));
    const at = known.get("alarm-at");
    yield {
      kind: "witness",
      worker,
      version: numberOf(known.get("version")),
      known: known.get("known") ?? null,
      alarm: known.get("alarm") ?? null,
      alarmAt: at === undefined ? null : numberOf(at),
      evidence: known.get("evidence") ?? null,
    };
  }
  for (const worker of names) yield* entriesOf(parts, worker);
  for (const worker of names) yield* nodesOf(parts, worker);
  await using chain = createChain({ ...parts, log: silentLog });
  let from = 0;
  for (;;) {
    const entries = await chain.actions(from, pageSize);
    for (const entry of entries) yield { kind: "action", entry };
    const last = entries.at(-1);
    if (last === undefined) return;
    from = last.seq + 1;
  }
}

async function* entriesOf(
  { connection, prefix }: Parts,
  worker: string,
): AsyncGenerator<MoveRecord> {
  for (let from = 0; ; from += pageSize) {
    const key = `${prefix}audit:${worker}`;
    const entries = listOf(await connection.call("LRANGE", key, from, from + pageSize - 1));
    for (const [index, entry] of entries.entries())
      yield { kind: "audit-entry", worker, seq: from + index, entry: textOf(entry) };
    if (entries.length < pageSize) return;
  }
}

async function* nodesOf({ connection, prefix }: Parts, worker: string): AsyncGenerator<MoveRecord> {
  for (let chunk = 0; ; chunk += 1) {
    const nodes = await connection.bytes("GET", `${prefix}audit-nodes:${worker}:${chunk}`);
    for (let index = 0; index < nodes.length / nodeBytes; index += 1) {
      const hash = nodes.subarray(index * nodeBytes, (index + 1) * nodeBytes).toString("hex");
      yield { kind: "audit-node", worker, place: chunk * nodesPerKey + index, hash };
    }
    if (nodes.length < nodesPerKey * nodeBytes) return;
  }
}

/** Members of a sorted set by their scores, which differ; few at a time, because they may be large. */
async function* membersOf({ connection }: Parts, key: string): AsyncGenerator<readonly string[]> {
  let after = "-inf";
  for (;;) {
    const limit = ["WITHSCORES", "LIMIT", 0, membersAtOnce] as const;
    const page = listOf(await connection.call("ZRANGEBYSCORE", key, after, "+inf", ...limit));
    yield page.filter((_, place) => place % 2 === 0).map(textOf);
    if (page.length < 2 * membersAtOnce) return;
    after = `(${textOf(page.at(-1))}`;
  }
}

async function taskFacts({ connection, prefix }: Parts, id: string): Promise<TaskFacts> {
  const [fields, bodyFields, result] = await Promise.all([
    connection.call("HGETALL", `${prefix}task:${id}`),
    connection.call("HGETALL", `${prefix}body:${id}`),
    connection.call("GET", `${prefix}result:${id}`),
  ]);
  const [task, body] = [hashOf(fields), hashOf(bodyFields)];
  const text = (name: string): string => textOf(task.get(name));
  const number = (name: string): number => numberOf(task.get(name));
  const numberOrNull = (name: string): number | null => (task.has(name) ? number(name) : null);
  const json = (value: string | undefined): unknown =>
    value === undefined ? null : JSON.parse(value);
  const key = json(task.get("idem"));
  const reason = json(body.get("reason"));
  return {
    seq: number("seq"),
    id,
    taskKind: text("kind"),
    status: text("status"),
    state: text("state"),
    selector: text("selector"),
    priority: number("priority"),
    session: task.get("session") ?? null,
    timeoutMs: number("timeout"),
    createdAt: number("created"),
    deliverBy: number("deliver"),
    fence: number("fence"),
    worker: task.get("worker") ?? null,
    instance: task.get("instance") ?? null,
    leased: text("leased") === "1",
    startedAt: numberOrNull("started"),
    completedAt: numberOrNull("completed"),
    cancelAt: numberOrNull("cancel"),
    readAt: numberOrNull("read"),
    outcome: task.get("outcome") ?? null,
    exitCode: numberOrNull("exit"),
    key: typeof key === "string" ? key : null,
    digest: task.get("digest") ?? null,
    approval: task.get("approval") ?? null,
    summary: text("summary"),
    spec: json(body.get("spec")),
    metadata: json(body.get("metadata")),
    reason: typeof reason === "string" ? reason : null,
    proof: json(body.get("proof")),
    result: result === null ? null : resultOf(id, textOf(result)),
  };
}

async function approvalFacts({ connection, prefix }: Parts, id: string): Promise<ApprovalFacts> {
  const approval = hashOf(await connection.call("HGETALL", `${prefix}approval:${id}`));
  const text = (name: string): string => textOf(approval.get(name));
  const reason = approval.get("reason");
  return {
    id,
    change: Number(text("change")),
    taskId: text("task"),
    worker: text("worker"),
    fence: Number(text("fence")),
    state: text("state"),
    digest: text("digest"),
    request: JSON.parse(text("request")),
    levels: text("levels"),
    reason: reason === undefined ? null : JSON.parse(reason),
    decidedBy: JSON.parse(text("by")),
    updatedAt: Number(text("updated")),
    expiresAt: Number(text("expires")),
  };
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return byBytes(one.name, other.name);
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
