import { connect } from "../deliver.ts";
import { exitCodes } from "../failure.ts";
import type { Host } from "../host.ts";
import { oneLine } from "../table.ts";
import type { AskFlags } from "../task-flags.ts";

/** What the worker's policy said about a task, from the task's result. */
export async function explainTask(host: Host, id: string, flags: AskFlags): Promise<number> {
  using client = connect(host, flags);
  const view = await client.get(id, 0, host.signal);
  if (view.state !== "finished") {
    const { message, status } = view;
    if (flags.json === true) host.stdout.write(`${JSON.stringify({ taskId: id, status })}\n`);
    else host.stdout.write(`Not decided, or still running: ${oneLine(message)}\n`);
    return exitCodes.ok;
  }
  const { outcome, error, rule = null, hint = null } = view.result;
  const refused = outcome === "refused";
  if (flags.json === true) {
    const because = refused ? error : null;
    host.stdout.write(`${JSON.stringify({ taskId: id, outcome, rule, because, hint })}\n`);
    return exitCodes.ok;
  }
  const line = (name: string, text: string): void =>
    host.stdout.write(`${name.padEnd(9)}${oneLine(text)}\n`);
  line("task", id);
  line("outcome", outcome);
  if (refused) line("because", error ?? "the worker gave no reason");
  else line("because", "the policy let it run; `policy test` shows by which rule");
  if (rule !== null) line("rule", rule);
  if (hint !== null) line("do", hint);
  return exitCodes.ok;
}
