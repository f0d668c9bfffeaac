// The worker's end of the local socket: a person at this computer sees what waits, decides, stops
// and resumes. A client that hangs up, or talks nonsense, harms nobody but itself.

import type { Socket } from "node:net";
import { messageOf, never, type Log } from "@openclaw-worker/base";
import type { Desk } from "./desk.ts";
import { createLines } from "./lines.ts";
import { listenIn } from "./socket.ts";
import {
  lineBytesMax,
  localRequestSchema,
  type LocalApproval,
  type LocalGrant,
  type LocalRequest,
  type LocalStatus,
  type LocalView,
} from "./wire.ts";
import type { Stops } from "../stop.ts";

export interface LocalParts {
  readonly log: Log;
  /** Absolute path of the worker's state folder, 0700. */
  readonly stateDir: string;
  readonly desk: Desk;
  readonly stops: Stops;
  readonly grants: () => readonly LocalGrant[];
  /** Whether there was such a grant in force. */
  readonly revokeGrant: (id: string) => boolean;
  readonly status: () => LocalStatus;
}

const clientsMax = 32;
const requestBytesMax = 65_536;
/** A watcher that does not read is hung up on. */
const unreadBytesMax = 2 * lineBytesMax;

/** Serves until it is disposed. Rejects when the socket cannot be made. */
export async function serveLocal(parts: LocalParts): Promise<AsyncDisposable> {
  const clients = new Set<Socket>();
  const watchers = new Set<Socket>();

  const send = (socket: Socket, message: object): void => {
    if (socket.destroyed) return;
    socket.write(`${JSON.stringify(message)}\n`);
    if (socket.writableLength > unreadBytesMax) socket.destroy();
  };
  const push = (): void => {
    if (watchers.size === 0) return;
    const view = viewOf(parts);
    for (const socket of watchers) send(socket, { view });
  };
  const receive = (socket: Socket, line: string): void => {
    const request = parse(line);
    if (request === null) {
      send(socket, { n: 0, error: "that is not understood" });
      return socket.destroySoon();
    }
    if (request.op === "watch") watchers.add(socket);
    try {
      send(socket, { n: request.n, value: answer(request, parts) });
    } catch (thrown) {
      send(socket, { n: request.n, error: messageOf(thrown) });
    }
  };
  const serve = (socket: Socket): void => {
    if (clients.size >= clientsMax) return void socket.destroy();
    clients.add(socket);
    const lines = createLines(requestBytesMax);
    socket.on("data", (chunk) => {
      const complete = lines.push(chunk);
      if (complete === null) return void socket.destroy();
      for (const line of complete) receive(socket, line);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clients.delete(socket);
      watchers.delete(socket);
    });
  };

  const server = await listenIn(parts.stateDir, serve);
  const watchingDesk = parts.desk.watch(push);
  const watchingStops = parts.stops.watch(push);
  return {
    async [Symbol.asyncDispose]() {
      watchingDesk[Symbol.dispose]();
      watchingStops[Symbol.dispose]();
      for (const socket of clients) socket.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

function parse(line: string): LocalRequest | null {
  try {
    const parsed = localRequestSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function answer(request: LocalRequest, parts: LocalParts): unknown {
  switch (request.op) {
    case "ping":
      return null;
    case "status":
      return parts.status();
    case "list":
    case "watch":
      return viewOf(parts);
    case "decide": {
      const { approvalId, digest, verdict, grant } = request;
      return { because: parts.desk.decide({ approvalId, digest, verdict, grant }) };
    }
    case "stop":
      return parts.stops.stop("local", request.reason);
    case "resume":
      return { because: parts.stops.resumeHere() };
    case "grants":
      return parts.grants();
    case "revoke-grant":
      return { because: parts.revokeGrant(request.id) ? null : "no grant in force has that id" };
    default:
      return never(request);
  }
}

function viewOf({ desk, stops }: LocalParts): LocalView {
  const approvals = desk
    .waiting()
    .map(({ request, digest, levels, reason, submitter }): LocalApproval => {
      return { request, digest, levels: [...levels], reason, submitter };
    });
  return { approvals, stopped: stops.current() };
}
