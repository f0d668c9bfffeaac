import { Command, Option } from "commander";
import type { ListQuery, TaskSummary } from "@openclaw-worker/client";
import { kinds, statusSchema } from "@openclaw-worker/protocol";
import { connect } from "../deliver.ts";
import { durationText } from "../duration.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { oneLine, tableText } from "../table.ts";
import { whole, withAskFlags, type AskFlags } from "../task-flags.ts";

type TasksFlags = AskFlags & ListQuery;

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker tasks"))
    .description("Lists tasks, newest first.")
    .addOption(new Option("--status <status>", "only these").choices(statusSchema.options))
    .addOption(new Option("--kind <kind>", "only this kind").choices(kinds))
    .option("--worker <name>", "only those of this worker")
    .option("--limit <n>", "how many (1 to 200)", whole, 20)
    .option("--cursor <cursor>", "the next page, as the page before named it")
    .addHelpText("after", help)
    .action(async ({ status, kind, worker, limit, cursor, ...flags }: TasksFlags) => {
      using client = connect(host, flags);
      const query = { status, kind, worker, limit, cursor };
      const list = await client.list(given(query), host.signal);
      if (flags.json === true) host.stdout.write(`${JSON.stringify(list, null, 2)}\n`);
      else {
        const head = ["ID", "AGE", "STATE", "EXIT", "WORKER", "WHAT"];
        const rows = list.tasks.map((task) => row(task, host.clock.now()));
        const width = host.stdout.isTerminal ? host.stdout.columns : 400;
        host.stdout.write(tableText([head, ...rows], width));
        if (list.cursor !== null) host.stderr.write(`More: --cursor ${list.cursor}\n`);
      }
      end(0);
    });
}

function row(task: TaskSummary, now: number): readonly string[] {
  const state = task.outcome ?? task.phase ?? task.status;
  return [
    task.taskId,
    durationText(Math.max(0, now - task.createdAt)),
    state,
    task.exitCode === null ? "" : String(task.exitCode),
    oneLine(task.worker ?? ""),
    oneLine(`${task.kind} ${task.summary}`),
  ];
}

// Absent and undefined are two things to the type of a query.
function given(query: { readonly [K in keyof ListQuery]: ListQuery[K] | undefined }): ListQuery {
  return {
    ...(query.status === undefined ? {} : { status: query.status }),
    ...(query.kind === undefined ? {} : { kind: query.kind }),
    ...(query.worker === undefined ? {} : { worker: query.worker }),
    ...(query.limit === undefined ? {} : { limit: query.limit }),
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
  };
}

const help = `
Examples:
  openclaw-worker tasks
  openclaw-worker tasks --status running
  openclaw-worker tasks --kind command --limit 100 --json
`;
