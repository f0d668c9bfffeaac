// Several API processes on one Redis, behind a balancer that knows nothing but connections:
//
//   client, workers ──▶ front ──▶ member 0 ─┐
//                          └────▶ member 1 ─┴─▶ redis-server

import { createClient, type Client } from "@openclaw-worker/client";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { startRedis, type RedisServer } from "../packages/server/test/redis.ts";
import { startProgram, type Program } from "./program.ts";
import { openPort, openStage, type Stage } from "./stage.ts";
import { openWire, type Wire } from "./wire.ts";

export interface Town extends AsyncDisposable {
  readonly redis: RedisServer;
  /** Folders, workers, ledger; its own client and wire speak to member 0 alone. */
  readonly stage: Stage;
  /** Where everybody dials. */
  readonly url: string;
  readonly client: Client;
  readonly wire: Wire;
  /** Straight to each member. */
  readonly wires: readonly Wire[];
  member(index: number): Program;
  /** Starts this member again on its port. */
  start(index: number): Promise<Program>;
}

const house = path.resolve(import.meta.dirname, "..");

export async function openTown(env: Readonly<Record<string, string>> = {}): Promise<Town> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const server = { ...env, WORKER_STORE: redis.url("town") };
  const stage = stack.use(await openStage({ server }));
  const second = await openPort();
  let other = await startSecond(stage, second, server);
  stack.defer(async () => void (await other.stop()));
  const front = stack.use(await openFront([stage.port, second]));
  const at = { url: front.url, token: stage.token };
  const client = stack.use(createClient({ ...at, patienceMs: 30_000 }));
  const wire = openWire(at);
  const wires = [stage.url, `http://127.0.0.1:${second}`].map((url) =>
    openWire({ url, token: stage.token }),
  );
  stack.defer(() => [wire, ...wires].forEach((one) => one.close()));
  const moved = stack.move();
  return {
    ...{ redis, stage, client, wire, wires },
    url: front.url,
    member: (index) => (index === 0 ? stage.server : other),
    async start(index) {
      if (index === 0) return stage.startServer();
      other = await startSecond(stage, second, server);
      return other;
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

async function startSecond(
  { folder, token }: Stage,
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<Program> {
  const home = path.join(folder, "second");
  mkdirSync(home, { recursive: true });
  const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning"];
  const program = startProgram({
    argv: [process.execPath, ...flags, path.join(house, "test/fixtures/server.ts")],
    cwd: house,
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      LANG: "C.UTF-8",
      HOME: home,
      WORKER_TOKEN: token,
      WORKER_HOST: "127.0.0.1",
      WORKER_PORT: String(port),
      ...env,
    },
  });
  await program.said(/^Listening on /);
  return program;
}

interface Front extends AsyncDisposable {
  readonly url: string;
}

/** Joins each connection to the next member that takes it, in turns. */
async function openFront(ports: readonly number[]): Promise<Front> {
  const sockets = new Set<net.Socket>();
  let turn = 0;
  const join = async (near: net.Socket): Promise<void> => {
    sockets.add(near);
    near.on("error", () => near.destroy());
    near.on("close", () => sockets.delete(near));
    turn += 1;
    for (let step = 0; step < ports.length; step += 1) {
      const far = net.connect(ports[(turn + step) % ports.length] ?? 0, "127.0.0.1");
      const isOpen = await once(far, "connect").then(Boolean, () => false);
      if (!isOpen) continue;
      sockets.add(far);
      far.setNoDelay(true);
      near.setNoDelay(true);
      far.on("error", () => near.destroy());
      far.on("close", () => {
        sockets.delete(far);
        near.destroy();
      });
      near.on("close", () => far.destroy());
      near.pipe(far).pipe(near);
      return;
    }
    near.destroy();
  };
  const server = net.createServer((near) => void join(near));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
