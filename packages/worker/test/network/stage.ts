// A runner with all three places to run: the pool, cages with network, and the host.

import { mkdirSync, realpathSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { homedir } from "node:os";
import { join } from "node:path";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { limits, type Report } from "@openclaw-worker/protocol";
import type { Cage, Job, Placed } from "../../src/job.ts";
import { openFiles } from "../../src/run/files.ts";
import { openHost } from "../../src/run/host.ts";
import { runJob } from "../../src/run/run.ts";
import { openBlueprints } from "../../src/sandbox/blueprint.ts";
import { openStreamFolder } from "../../src/sandbox/folders.ts";
import { openNetwork } from "../../src/sandbox/network/network.ts";
import { openPool } from "../../src/sandbox/pool.ts";
import { plainEnvironment, temporaryFolder } from "../fixtures/stage.ts";

export interface NetworkStage extends AsyncDisposable {
  readonly folder: string;
  readonly root: string;
  readonly state: string;
  readonly cage: Cage;
  run(placed: Placed, more?: Partial<Job>): Promise<Report>;
  command(command: string, more?: Partial<Job>): Promise<Report>;
  /** The same with these domains. */
  reaching(domains: readonly string[], command: string, more?: Partial<Job>): Promise<Report>;
}

export async function openNetworkStage(at?: string): Promise<NetworkStage> {
  const opening = new AsyncDisposableStack();
  const folder = at ?? opening.use(temporaryFolder()).path;
  const [root, state] = [join(folder, "root"), join(folder, "state")];
  mkdirSync(root, { recursive: true });
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const home = realpathSync(homedir());
  const cage: Cage = { roots: [root], readable: [] };
  const clock = systemClock();
  const environment = plainEnvironment;
  const shared = { clock, log: silentLog, environment, home };
  const blueprints = openBlueprints({ ...shared, hidden: [state] });
  const streams = opening.use(openStreamFolder(state, clock));
  const pool = opening.use(openPool({ ...shared, blueprints, streams, cage, warm: 0 }));
  const network = opening.use(
    openNetwork({ ...shared, blueprints, streams, stateDir: state, hidden: [state] }),
  );
  const host = openHost({ ...shared, streams });
  const policyFile = "/home/ann/.openclaw-worker/policy.json";
  const tools = {
    clock,
    limits,
    pool,
    files: openFiles(limits, { hidden: [], secretIn: () => null }),
    network,
    host,
    policyFile,
  };
  const run: NetworkStage["run"] = (placed, more = {}) =>
    runJob(tools, {
      taskId: "task",
      placed,
      cwd: root,
      timeoutMs: 20_000,
      cage,
      signal: new AbortController().signal,
      ...more,
    });
  const command: NetworkStage["command"] = (text, more) =>
    run({ kind: "command", command: text }, more);
  return {
    folder,
    root,
    state,
    cage,
    run,
    command,
    reaching: (domains, text, more) => command(text, { cage: { ...cage, domains }, ...more }),
    [Symbol.asyncDispose]: () => opening.disposeAsync(),
  };
}

export interface Site extends AsyncDisposable {
  readonly port: number;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
}

/** A web site on this computer that says who it is. */
export async function openSite(text: string): Promise<Site> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
