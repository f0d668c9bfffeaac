// A redis-server of the test's own: on a Unix socket in a temporary folder, durable as a store wants
// it, ended by its pid.

import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { temporaryFolder } from "./folder.ts";

export interface RedisServer extends AsyncDisposable {
  /** An address with a name of its own, so that nobody meets another's keys. */
  url(name?: string): string;
  readonly socket: string;
  readonly process: ChildProcess;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** Starts again on the same files; resolves when it answers. */
  restart(): Promise<void>;
  /** One command, in words; its raw reply. */
  ask(...words: readonly string[]): Promise<string>;
}

/** What a store asks of its Redis. */
export const durable: readonly string[] = [
  "--appendonly yes",
  "--appendfsync always",
  "--maxmemory-policy noeviction",
];

export async function startRedis(settings: readonly string[] = durable): Promise<RedisServer> {
  const folder = temporaryFolder();
  const socket = `${folder.path}/redis.sock`;
  let child = launch(folder.path, socket, settings);
  await answers(socket, child);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  return {
    socket,
    url: (name = randomUUID()) => `redis+unix://${encodeURI(socket)}?name=${name}`,
    get process() {
      return child;
    },
    kill,
    async restart() {
      child = launch(folder.path, socket, settings);
      await answers(socket, child);
    },
    ask: (...words) => askRedis(socket, words),
    async [Symbol.asyncDispose]() {
      child.kill("SIGCONT");
      await kill();
      folder[Symbol.dispose]();
    },
  };
}

function launch(folder: string, socket: string, settings: readonly string[]): ChildProcess {
  const own = [
    "--port 0",
    `--unixsocket ${socket}`,
    `--dir ${folder}`,
    '--save ""',
    "--daemonize no",
  ];
  const args = [...own, ...settings].flatMap((setting) =>
    setting.split(" ").map((word) => (word === '""' ? "" : word)),
  );
  // The kernel ends it when this process dies, however it dies.
  const argv = ["--pdeathsig", "KILL", "--", "/usr/bin/redis-server", ...args];
  return spawn("/usr/bin/setpriv", argv, { stdio: "ignore" });
}

async function answers(socket: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    const reply = existsSync(socket) ? await askRedis(socket, ["PING"]).catch(() => "") : "";
    if (reply.startsWith("+PONG")) return;
    // The socket's file appears without a word to its parent.
    await pause(10);
  }
}

function askRedis(socket: string, words: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const connection = net.connect(socket);
  connection.once("error", reject);
  connection.once("data", (chunk) => {
    resolve(chunk.toString());
    connection.destroy();
  });
  const bulks = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  connection.write(`*${words.length}\r\n${bulks.join("")}`);
  return promise;
}
