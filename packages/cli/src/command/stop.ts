import { Command } from "commander";
import { findLocal } from "../approval/local.ts";
import { escaped } from "../approval/text.ts";
import { connect } from "../deliver.ts";
import type { End } from "../end.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { placeOf } from "../place.ts";
import { withAskFlags, type AskFlags } from "../task-flags.ts";

interface StopFlags extends AskFlags {
  readonly worker?: string;
}

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker stop"))
    .description(
      "Stops a worker hard: what runs is killed, what waits goes back, and nothing is taken until it is\n" +
        "resumed, also after a restart. Without --worker: the worker of this computer.",
    )
    .argument("[reason]", "why, for whoever looks later", "stopped by hand")
    .option("--worker <name>", "a worker elsewhere, through the server")
    .addHelpText("after", help)
    .action(async (reason: string, flags: StopFlags) => {
      const { worker } = flags;
      end(await (worker === undefined ? stopHere : stopThere)(host, reason, flags));
    });
}

async function stopHere(host: Host, reason: string, flags: StopFlags): Promise<number> {
  using local = await findLocal(host);
  if (local === null) {
    throw new Failure("No worker runs on this computer", {
      why: `nobody answers in ${placeOf(host).worker}`,
      remedy:
        `To keep the next one from working: touch ${placeOf(host).home}/STOP\n` +
        "For a worker elsewhere: openclaw-worker stop --worker NAME",
    });
  }
  const stopped = await local.stop(reason);
  const text = "Stopped: nothing runs, and no task is taken.\n  do:  openclaw-worker resume\n";
  host.stdout.write(flags.json === true ? `${JSON.stringify(stopped)}\n` : text);
  return exitCodes.ok;
}

async function stopThere(host: Host, reason: string, flags: StopFlags): Promise<number> {
  using client = connect(host, flags);
  const answer = await client.stopWorker(flags.worker ?? "", reason, host.signal);
  const text = `${escaped(answer.message)}\n`;
  host.stdout.write(flags.json === true ? `${JSON.stringify(answer)}\n` : text);
  return exitCodes.ok;
}

const help = `
Examples:
  openclaw-worker stop
  openclaw-worker stop 'somebody has my token'
  openclaw-worker stop --worker mac-mini          from anywhere, with the server's token

A stop needs no key. To resume you must be at the worker's computer, or have a key that is enrolled
there (openclaw-worker resume --worker mac-mini).
`;
