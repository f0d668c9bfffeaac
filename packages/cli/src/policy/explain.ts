// `policy explain`: which rule of which policy decided about a past task.

import type { Policy } from "@openclaw-worker/worker";
import { connect } from "../deliver.ts";
import { exitCodes } from "../failure.ts";
import type { Host } from "../host.ts";
import { oneLine } from "../table.ts";
import type { AskFlags } from "../task-flags.ts";
import { policyOrNull, type FileFlag } from "./open.ts";

export type ExplainFlags = AskFlags & FileFlag;

/** What the worker's policy said about a task, from the task's result. */
export async function explainTask(host: Host, id: string, flags: ExplainFlags): Promise<number> {
  using client = connect(host, flags);
  const view = await client.get(id, 0, host.signal);
  if (view.state !== "finished") {
    const { message, status } = view;
    if (flags.json === true) host.stdout.write(`${JSON.stringify({ taskId: id, status })}\n`);
    else host.stdout.write(`Not decided, or still running: ${oneLine(message)}\n`);
    return exitCodes.ok;
  }
  const { outcome, error, rule = null, hint = null, policyDigest = null, worker } = view.result;
  const because = outcome === "refused" ? error : null;
  const policy = policyOrNull(host, flags);
  const same = policyDigest === null || policy === null ? null : policyDigest === policy.digest;
  const places = same === true && policy !== null ? placesOf(rule, policy) : [];
  if (flags.json === true) {
    const said = { outcome, rule, because, hint, policyDigest, inForceHere: same, places };
    host.stdout.write(`${JSON.stringify({ taskId: id, ...said })}\n`);
    return exitCodes.ok;
  }
  const line = (name: string, text: string): void =>
    host.stdout.write(`${name.padEnd(9)}${oneLine(text)}\n`);
  line("task", id);
  line("outcome", worker === null ? outcome : `${outcome}, on ${worker}`);
  line("because", because ?? ranText(rule));
  if (rule !== null) line("rule", rule);
  for (const place of places) line("", `at ${place}`);
  if (policyDigest !== null) line("policy", policyText(policyDigest, same));
  if (hint !== null) line("do", hint);
  return exitCodes.ok;
}

function ranText(rule: string | null): string {
  if (rule === null) return "the policy let it run; `policy test` shows by which rule";
  return rule.startsWith("default: ")
    ? "no rule names it, and the default let it run"
    : "a rule let it run";
}

function policyText(digest: string, same: boolean | null): string {
  const short = digest.slice(0, 12);
  if (same === null) return `${short} (look on the worker's computer which one that is)`;
  return same
    ? `${short}, which is in force on this computer`
    : `${short}, which is not the one on this computer: it was changed since, or is another worker's`;
}

/** Where the rules stand that a report names: `deny: Bash(sudo *), ask: Bash(git push *)`. */
function placesOf(rule: string | null, { book, source }: Policy): readonly string[] {
  if (rule === null || book === undefined) return [];
  return Object.values(book.rules)
    .flat()
    .filter(({ list, text }) => `, ${rule}, `.includes(`, ${list}: ${text}, `))
    .map(({ at, list, text }) => `${source}:${at.line}:${at.column} ${list}: ${text}`);
}
