// The whole house on loopback: a server process, worker processes, a client, temporary folders.
//
//   await using stage = await openStage();
//   await stage.startWorker();
//   const result = await stage.client.run({ kind: "command", command: "echo hello" });
//
// Leaving the block ends every process by its pid, and fails when one would not end, when a program
// that was asked to stop did not end with 0, or when a caged process outlives its worker.

import { createClient, type Client } from "@openclaw-worker/client";
import { randomBytes, randomInt } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { openWire, type Wire } from "./wire.ts";
import { startProgram, type Program } from "./program.ts";
import { patienceMs } from "./scene.ts";
import { outlive } from "./survivors.ts";

export interface StageWish {
  /** More variables for the server, `OPENCLAW_LEASE_MS` say. */
  readonly server?: Readonly<Record<string, string>>;
  /** Starts `node server.js` and `node worker.js` at the root, as the guide does. */
  readonly asGuided?: boolean;
}

export interface WorkerWish {
  /** Its name; each name has a home, a root and a journal of its own that outlast its processes. */
  readonly name?: string;
  /** Runs nothing, and notes in the stage's ledger what it would have run. */
  readonly noting?: boolean;
  readonly slots?: number;
  /** Where it dials, when not straight to the server. */
  readonly url?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Stage extends AsyncDisposable {
  readonly folder: string;
  readonly url: string;
  readonly port: number;
  readonly token: string;
  readonly client: Client;
  /** Plain requests, as foreign programs send them. */
  readonly wire: Wire;
  /** The newest server process. */
  readonly server: Program;
  /** Starts the server again on the same port and state; resolves when it listens. */
  startServer(): Promise<Program>;
  /** Starts a worker process; resolves when the server has taken its first poll. */
  startWorker(wish?: WorkerWish): Promise<Program>;
  /** The same, without waiting for anything. */
  launchWorker(wish?: WorkerWish): Program;
  /** The folder that tasks of this worker may use. */
  rootOf(name?: string): string;
  /** What noting workers began: one entry for each time. */
  ledger(): readonly LedgerLine[];
}

export interface LedgerLine {
  readonly taskId: string;
  readonly proof: string;
}

const house = path.resolve(import.meta.dirname, "..");
const stopMs = 15_000;
const survivalMs = 3_000;

export async function openStage(wish: StageWish = {}): Promise<Stage> {
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), "openclaw-house-")));
  const ledgerFile = path.join(folder, "ledger");
  const token = randomBytes(24).toString("hex");
  const port = await openPort();
  const url = `http://127.0.0.1:${port}`;
  const programs: Program[] = [];
  const common = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LANG: "C.UTF-8" };

  const launch = (role: "server" | "worker", env: Readonly<Record<string, string>>): Program => {
    const argv = [process.execPath, ...(wish.asGuided === true ? guided(role) : fixture(role))];
    const program = startProgram({ argv, env, cwd: house });
    programs.push(program);
    return program;
  };
  const startServer = async (): Promise<Program> => {
    const program = launch("server", {
      ...common,
      HOME: path.join(folder, "server"),
      WORKER_TOKEN: token,
      ...(wish.asGuided === true ? {} : { WORKER_HOST: "127.0.0.1" }),
      WORKER_PORT: String(port),
      ...wish.server,
    });
    await program.said(/^Listening on /);
    return program;
  };
  const homeOf = (name: string): string => path.join(folder, name);
  const rootOf = (name = "desk"): string => path.join(homeOf(name), "openclaw");
  const launchWorker = (asked: WorkerWish = {}): Program => {
    const name = asked.name ?? "desk";
    mkdirSync(rootOf(name), { recursive: true });
    return launch("worker", {
      ...common,
      HOME: homeOf(name),
      WORKER_ID: name,
      WORKER_URL: asked.url ?? url,
      WORKER_TOKEN: token,
      OPENCLAW_WORKER_ROOTS: rootOf(name),
      MAX_CONCURRENT: String(asked.slots ?? 3),
      ...(asked.noting === true ? { HOUSE_LEDGER: ledgerFile } : {}),
      ...asked.env,
    });
  };

  mkdirSync(path.join(folder, "server"));
  let server = await startServer();
  const client = impatient(createClient({ url, token, patienceMs: 30_000 }));
  const wire = openWire({ url, token });
  return {
    folder,
    url,
    port,
    token,
    client,
    wire,
    rootOf,
    launchWorker,
    get server() {
      return server;
    },
    startServer: async () => (server = await startServer()),
    async startWorker(asked = {}) {
      const program = launchWorker(asked);
      await program.said(/^Ready\b/);
      return program;
    },
    ledger: () => readLedger(ledgerFile),
    async [Symbol.asyncDispose]() {
      client.close();
      wire.close();
      const problems = await endAll(programs);
      for (const { pid, command } of await outlive(folder, survivalMs)) {
        problems.push(`process ${pid} outlived the stage: ${command}`);
        process.kill(pid, "SIGKILL");
      }
      rmSync(folder, {
        recursive: true,
        force: true,
      });
      if (existsSync(folder)) problems.push(`${folder} could not be removed`);
      if (problems.length > 0) throw new Error(problems.join("\n"));
    },
  };
}

/** The same client, whose waits end: else a task that never ends would keep the stage open for good. */
function impatient(client: Client): Client {
  const limited = () => ({ signal: AbortSignal.timeout(patienceMs) });
  return {
    ...client,
    wait: (taskId) => client.wait(taskId, limited()),
    run: (request) => client.run(request, limited()),
  };
}

function fixture(role: string): readonly string[] {
  const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning"];
  return [...flags, path.join(import.meta.dirname, "fixtures", `${role}.ts`)];
}

function guided(role: string): readonly string[] {
  return [`${role}.js`];
}

/** Workers before their server, so that none has to give up on a result. */
async function endAll(programs: readonly Program[]): Promise<string[]> {
  const problems: string[] = [];
  for (const program of programs.toReversed().filter(({ isOver }) => !isOver)) {
    program.signal("SIGCONT");
    const hung = setTimeout(() => program.signal("SIGKILL"), stopMs);
    const { code, signal } = await program.stop();
    clearTimeout(hung);
    if (code === 0) continue;
    problems.push(
      `a program ended with ${code ?? signal}:\n${program.lines.slice(-20).join("\n")}`,
    );
  }
  return problems;
}

function readLedger(file: string): readonly LedgerLine[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const [taskId = "", proof = ""] = line.split(" ");
    return { taskId, proof };
  });
}

/**
 * A free port below the system's ephemeral range (32768 and up). A server that is killed and started
 * again must find its port free: a port that the system chose may meanwhile be taken by any outgoing
 * connection, even by one that tries to reach this very server and so meets itself.
 */
export async function openPort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
