// The network gateway: a program of its own, because the library has one proxy per process, and one
// task's domains must not be another's. It listens on a socket that one cage is given, lets through
// what it was told to, and says what it refused. It ends when its standard input does.
//
//   reads   one line: the order (config.ts)
//   prints  lines: `ready` once, or `failed`; then `refused` as it happens

import { once } from "node:events";
import { exit, stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { SandboxManager, type SandboxViolationEvent } from "@anthropic-ai/sandbox-runtime";
import { configOf, opensBroadly, orderSchema, type News } from "./config.ts";

const lines = createInterface({ input: stdin });
lines.once("close", () => exit(0));
try {
  const [line] = await once(lines, "line");
  await open(String(line));
} catch (thrown) {
  say({ kind: "failed", why: thrown instanceof Error ? thrown.message : String(thrown) });
  exit(1);
}

async function open(line: string): Promise<void> {
  const order = orderSchema.parse(JSON.parse(line));
  const ask = async ({ host }: { readonly host: string }): Promise<boolean> =>
    opensBroadly(order, host);
  await SandboxManager.initialize(configOf(order), ask);
  if (!(await SandboxManager.waitForNetworkInitialization())) throw new Error("no proxy runs");
  const socket = SandboxManager.getLinuxHttpSocketPath();
  const token = SandboxManager.getProxyAuthToken();
  if (socket === undefined || token === undefined) throw new Error("the proxy has no socket");
  const told = new Set<string>();
  SandboxManager.getSandboxViolationStore().subscribe((events) => {
    for (const event of events) tell(event, told);
  });
  say({ kind: "ready", socket, token });
}

const refusalsMax = 100;

/** `deny network-outbound host:port (why)`: once for each host. */
function tell({ line }: SandboxViolationEvent, told: Set<string>): void {
  const [, host, why] = /^deny network-outbound (.*):\d+ \((.*)\)$/.exec(line) ?? [];
  if (host === undefined || why === undefined || told.has(host) || told.size >= refusalsMax) return;
  told.add(host);
  say({ kind: "refused", host: host.slice(0, 253), why: why.slice(0, 200) });
}

function say(news: News): void {
  stdout.write(`${JSON.stringify(news)}\n`);
}
