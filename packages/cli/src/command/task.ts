import { Command } from "commander";
import type { TaskView } from "@openclaw-worker/client";
import type { Result } from "@openclaw-worker/protocol";
import { connect } from "../deliver.ts";
import { durationText } from "../duration.ts";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import type { End } from "../end.ts";
import { bytesOf } from "../show.ts";
import { oneLine } from "../table.ts";
import { withAskFlags, type AskFlags } from "../task-flags.ts";

interface ShowFlags extends AskFlags {
  readonly wait?: boolean;
}

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker task"))
    .description("Shows one task: where it stands, or its result. Exit code 0 when it was found.")
    .argument("<id>", "the task's id")
    .option("--wait", "wait until it has finished")
    .addHelpText("after", help)
    .action(async (id: string, flags: ShowFlags) => {
      using client = connect(host, flags);
      const view: TaskView =
        flags.wait === true
          ? { state: "finished", result: await client.wait(id, { signal: host.signal }) }
          : await client.get(id, 0, host.signal);
      if (flags.json === true) {
        const body = view.state === "finished" ? view.result : view;
        host.stdout.write(`${JSON.stringify(body, null, 2)}\n`);
      } else if (view.state === "finished") showResult(host, view.result);
      else host.stdout.write(`${id}  ${view.phase ?? view.status}: ${oneLine(view.message)}\n`);
      end(0);
    });
}

function showResult(host: Host, result: Result): void {
  const paint = paintOf(host, host.stdout);
  const line = (name: string, text: string): void =>
    host.stdout.write(`${paint.dim(name.padEnd(10))}${oneLine(text)}\n`);
  line("task", result.taskId);
  line("outcome", `${result.outcome}, exit code ${result.exitCode}`);
  if (result.worker !== null) line("worker", result.worker);
  const took = result.durationMs === undefined ? "" : `, took ${durationText(result.durationMs)}`;
  line("finished", `${new Date(result.completedAt).toISOString()}${took}`);
  if (result.error !== null) line("error", result.error);
  if (result.hint !== undefined) line("do", result.hint);
  const streams = bytesOf(result);
  for (const [name, bytes] of Object.entries(streams)) {
    if (bytes.length === 0) continue;
    host.stdout.write(`${paint.dim(`--- ${name}`)}\n`);
    host.stdout.write(bytes);
    if (bytes.at(-1) !== 10) host.stdout.write("\n");
  }
}

const help = `
Examples:
  openclaw-worker task 0192f3a1-7c1e-7d20-8a51-1f5d2f0c9b11
  openclaw-worker task --wait --json "$(openclaw-worker run --detach 'make')"
`;
