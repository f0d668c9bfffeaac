// The server, as this computer sees it: is it there, does it know us, is its clock ours?

import { ClientError, createClient, type Client, type Health } from "@openclaw-worker/client";
import { findConnection, type Connection, type ConnectionFlags } from "../connection.ts";
import { durationText } from "../duration.ts";
import { toFailure } from "../failure.ts";
import type { Host } from "../host.ts";
import { fail, ok, warn, type Row } from "./row.ts";

const clockMsMax = 5_000;

export async function serverRows(host: Host, flags: ConnectionFlags): Promise<readonly Row[]> {
  let connection: Connection;
  try {
    connection = findConnection(host, flags);
  } catch (thrown) {
    const { message, why, remedy } = toFailure(thrown);
    return [warn("server", message, { why, do: remedy })];
  }
  using client = createClient({ ...connection, clock: host.clock, patienceMs: 1_000 });
  const health = await asked(client.health(host.signal));
  if (health instanceof ClientError) return [refusal("server", health)];
  return [
    ok(
      "server",
      `${connection.url} answers${health.version === null ? "" : ` (${health.version})`}`,
    ),
    ...clockRows(health, host.clock.now()),
    ...(await workerRows(client, host)),
  ];
}

/** Exported for its test. The server tells whole seconds, so one second is no difference. */
export function clockRows(health: Pick<Health, "serverNowMs">, nowMs: number): readonly Row[] {
  if (health.serverNowMs === null) return [];
  const apartMs = Math.abs(nowMs - health.serverNowMs);
  if (apartMs <= clockMsMax + 1_000) return [ok("clock", "agrees with the server's")];
  return [
    warn("clock", `is ${durationText(apartMs)} apart from the server's`, {
      why: "times in results and lists are then wrong, and a task's --ttl ends early or late",
      do: "Set both by the network: sudo timedatectl set-ntp true",
    }),
  ];
}

/** A time, by both clocks that a computer has. */
export interface Moment {
  /** Of the calendar, in milliseconds since 1970. */
  readonly nowMs: number;
  /** That only goes forward. */
  readonly steadyMs: number;
}

const jumpMsMax = 500;

/** Did the clock jump between two moments? */
export function jumpRow(before: Moment, after: Moment): Row {
  const jumpMs = after.nowMs - before.nowMs - (after.steadyMs - before.steadyMs);
  if (Math.abs(jumpMs) <= jumpMsMax) return ok("clock", "did not jump while this looked");
  const way = jumpMs > 0 ? "forward" : "back";
  return warn("clock", `jumped ${durationText(Math.abs(jumpMs))} ${way} while this looked`, {
    why: "leases run by another clock, but times that are shown, and budgets by the hour, do not",
    do: "Let one program alone set it: timedatectl status",
  });
}

async function workerRows(client: Client, host: Host): Promise<readonly Row[]> {
  const workers = await asked(client.workers(host.signal));
  if (workers instanceof ClientError) return [refusal("token", workers)];
  const online = workers.filter(({ state }) => state === "online").map(({ name }) => name);
  return [
    ok("token", "the server accepts it"),
    online.length > 0
      ? ok("workers", `online: ${online.join(", ")}`)
      : warn("workers", "none is online", {
          why: "tasks will wait in the queue",
          do: "openclaw-worker worker",
        }),
  ];
}

function refusal(name: string, error: ClientError): Row {
  const { message, why, remedy } = toFailure(error);
  return fail(name, message, { why, do: remedy });
}

async function asked<T>(work: Promise<T>): Promise<T | ClientError> {
  try {
    return await work;
  } catch (thrown) {
    if (thrown instanceof ClientError) return thrown;
    throw thrown;
  }
}
