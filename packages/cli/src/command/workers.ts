import { Command } from "commander";
import type { Presence } from "@openclaw-worker/protocol";
import { connect } from "../deliver.ts";
import { durationText } from "../duration.ts";
import { paintOf } from "../paint.ts";
import type { Host } from "../host.ts";
import type { End } from "../end.ts";
import { oneLine, tableText } from "../table.ts";
import { withAskFlags, type AskFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker workers"))
    .description("Lists the workers that the server knows.")
    .addHelpText(
      "after",
      "\nExamples:\n  openclaw-worker workers\n  openclaw-worker workers --json\n",
    )
    .action(async (flags: AskFlags) => {
      using client = connect(host, flags);
      const workers = await client.workers(host.signal);
      if (flags.json === true) host.stdout.write(`${JSON.stringify(workers, null, 2)}\n`);
      else if (workers.length === 0) host.stderr.write(noWorkers);
      else {
        const rows = workers.map((worker) => row(worker, host.clock.now()));
        const head = ["NAME", "STATE", "RUNNING", "SEEN", "VERSION", "PLATFORM", "LABELS"];
        const width = host.stdout.isTerminal ? host.stdout.columns : 400;
        host.stdout.write(tableText([head, ...rows], width));
        const paint = paintOf(host, host.stdout);
        for (const { name, alarm } of workers) {
          if (alarm === null || alarm === undefined) continue;
          host.stdout.write(`${paint.red("ALARM")} ${oneLine(name)}: ${oneLine(alarm)}\n`);
        }
      }
      end(0);
    });
}

const noWorkers =
  "No worker has connected yet.\n  do:  start one: WORKER_URL=… WORKER_TOKEN=… openclaw-worker worker\n";

function row(worker: Presence, now: number): readonly string[] {
  return [
    oneLine(worker.name),
    worker.state,
    `${worker.running}/${worker.slots ?? "?"}`,
    worker.state === "online" ? "now" : `${durationText(Math.max(0, now - worker.lastSeenAt))} ago`,
    oneLine(worker.version ?? ""),
    oneLine(worker.platform ?? ""),
    oneLine(worker.labels.join(",")),
  ];
}
