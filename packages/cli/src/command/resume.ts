import path from "node:path";
import { Command } from "commander";
import type { Client } from "@openclaw-worker/client";
import type { PrivateKey } from "@openclaw-worker/protocol";
import { needLocal } from "../approval/local.ts";
import { connect } from "../deliver.ts";
import type { End } from "../end.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { keyFileOf, needKey } from "../key/own.ts";
import { withAskFlags, type AskFlags } from "../task-flags.ts";

interface ResumeFlags extends AskFlags {
  readonly worker?: string;
  readonly identity?: string;
}

/** How long a worker elsewhere may take to say that it works again. */
const answerMs = 15_000;
const lookMs = 200;

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker resume"))
    .description("Lets a stopped worker work again. Without --worker: the worker of this computer.")
    .option("--worker <name>", "a worker elsewhere, signed with your key")
    .option("--identity <file>", "the key to sign with (default: your key.pem)")
    .addHelpText("after", help)
    .action(async (flags: ResumeFlags) => {
      const { worker } = flags;
      const resumed = await (worker === undefined
        ? resumeHere(host)
        : resumeThere(host, worker, flags));
      const answer = { worker: worker ?? null, stopped: false, resumed };
      const text = resumed ? "Resumed: tasks are taken again.\n" : "It was not stopped.\n";
      host.stdout.write(flags.json === true ? `${JSON.stringify(answer)}\n` : text);
      end(exitCodes.ok);
    });
}

/** False: it was not stopped. */
async function resumeHere(host: Host): Promise<boolean> {
  using local = await needLocal(host, "openclaw-worker resume --worker NAME");
  const { stopped } = await local.list();
  if (stopped === null) return false;
  const problem = await local.resume();
  if (problem === null) return true;
  throw new Failure("The worker stays stopped", {
    why: problem,
    remedy: "Do as it says, then try again.",
  });
}

async function resumeThere(host: Host, name: string, flags: ResumeFlags): Promise<boolean> {
  const { identity } = flags;
  const file = identity === undefined ? keyFileOf(host) : path.resolve(host.cwd, identity);
  const key = needKey(host, file);
  using client = connect(host, flags);
  const stopId = await stopOf(client, host, name);
  if (stopId === null) return false;
  await client.unstopWorker(name, { stopId, key }, host.signal);
  const until = host.clock.monotonic() + answerMs;
  while (host.clock.monotonic() < until) {
    if ((await stopOf(client, host, name)) !== stopId) return true;
    await host.clock.sleep(lookMs, host.signal);
  }
  throw notResumed(name, key);
}

/** Id of the stop that the worker says it is in, or null. */
async function stopOf(client: Client, host: Host, name: string): Promise<string | null> {
  const workers = await client.workers(host.signal);
  const worker = workers.find((one) => one.name === name);
  if (worker !== undefined) return worker.stopped?.id ?? null;
  throw new Failure(`No worker is called ${name}`, {
    why: `the server knows ${workers.map((one) => one.name).join(", ") || "none"}`,
    remedy: "See them: openclaw-worker workers",
  });
}

function notResumed(name: string, key: PrivateKey): Failure {
  return new Failure(`${name} stays stopped`, {
    why: `it is away, or does not know ${key.public.fingerprint} as an approver's key`,
    remedy: `Enroll the key at its computer (openclaw-worker key enroll), or resume it there.`,
  });
}

const help = `
Examples:
  openclaw-worker resume                        at the worker's computer
  openclaw-worker resume --worker mac-mini      from elsewhere, with a key that is enrolled there
`;
