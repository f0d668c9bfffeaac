// A server and, where a row wants one, a worker: the programs that users start, on loopback.

import { randomBytes, randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Running } from "./crew.ts";
import type { Bench } from "./row.ts";

export interface House extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly server: Running;
  /** Null when none was asked for. */
  readonly worker: Running | null;
  /** OPENCLAW_WORKER_HOME of both. */
  readonly home: string;
  /** Parameters for an aide: url and token. */
  readonly address: { readonly url: string; readonly token: string };
}

export interface Wish {
  /** Slots of a real worker with its cage; null: no worker. */
  readonly slots: number | null;
  /** A state folder that was filled before. */
  readonly home?: string;
  /** More variables for the server. */
  readonly serverEnv?: Readonly<Record<string, string>>;
  /** `bin/openclaw-worker.cjs` unless given: its first words on the command line. */
  readonly command?: readonly string[];
}

export async function openHouse(bench: Bench, wish: Wish): Promise<House> {
  const { crew, node, checkout } = bench;
  const folder = path.join(bench.folder, randomUUID().slice(0, 8));
  const home = wish.home ?? path.join(folder, "home");
  const root = path.join(folder, "root");
  for (const one of [home, root]) fs.mkdirSync(one, { recursive: true, mode: 0o700 });
  const token = randomBytes(32).toString("hex");
  const command = wish.command ?? [path.join(checkout, "bin", "openclaw-worker.cjs")];
  const argv = (role: string): readonly string[] => {
    const flags =
      bench.profile === null
        ? []
        : ["--cpu-prof", "--cpu-prof-interval=500", `--cpu-prof-dir=${bench.profile}`];
    const name = `--cpu-prof-name=${role}-${randomUUID().slice(0, 4)}.cpuprofile`;
    return [node, ...flags, ...(flags.length === 0 ? [] : [name]), ...command, role];
  };
  const env = { ...bench.env, OPENCLAW_WORKER_HOME: home, WORKER_TOKEN: token };

  const server = crew.start({
    argv: argv("server"),
    env: { ...env, ...wish.serverEnv, WORKER_PORT: "0", WORKER_HOST: "127.0.0.1" },
  });
  const url = (await server.line(/^Listening on /)).replace("Listening on ", "");
  // What `up` leaves behind: with it short commands may keep their compiled code.
  fs.writeFileSync(path.join(home, "client.json"), JSON.stringify({ url, token }), { mode: 0o600 });
  const worker =
    wish.slots === null
      ? null
      : crew.start({
          argv: argv("worker"),
          env: {
            ...env,
            WORKER_URL: url,
            WORKER_ID: "bench",
            MAX_CONCURRENT: String(wish.slots),
            OPENCLAW_WORKER_ROOTS: root,
          },
        });
  await worker?.line(/^Ready$/);
  return {
    url,
    token,
    server,
    worker,
    home,
    address: { url, token },
    async [Symbol.asyncDispose]() {
      await worker?.stop();
      await server.stop();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}
