import { Command } from "commander";
import { cageRows } from "../doctor/cage.ts";
import { folderRows } from "../doctor/folders.ts";
import { machineRows } from "../doctor/machine.ts";
import { jumpRow, serverRows, type Moment } from "../doctor/remote.ts";
import type { Row } from "../doctor/row.ts";
import { exitCodes } from "../failure.ts";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import { placeOf } from "../place.ts";
import type { End } from "../end.ts";
import { oneLine } from "../table.ts";
import { withAskFlags, type AskFlags } from "../task-flags.ts";

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker doctor"))
    .description(
      "Looks at this computer and at the server, and says what to do about each thing that is wrong.",
    )
    .addHelpText("after", help)
    .action(async (flags: AskFlags) => {
      const rows = await examine(host, flags);
      if (flags.json === true) host.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
      else for (const row of rows) host.stdout.write(rowText(host, row));
      end(rows.some(({ state }) => state === "fail") ? exitCodes.failed : exitCodes.ok);
    });
}

async function examine(host: Host, flags: AskFlags): Promise<readonly Row[]> {
  const place = placeOf(host);
  const moment = (): Moment => ({ nowMs: host.clock.now(), steadyMs: host.clock.monotonic() });
  const before = moment();
  // One after the other: what the cage's test costs must not be seen in the disk's times.
  const machine = await machineRows(host);
  const folders = folderRows(host, place);
  const [cage, server] = await Promise.all([cageRows(host, place), serverRows(host, flags)]);
  return [...machine, ...folders, ...cage, jumpRow(before, moment()), ...server];
}

function rowText(host: Host, row: Row): string {
  const paint = paintOf(host, host.stdout);
  const mark = {
    ok: paint.green("ok  "),
    warn: paint.yellow("warn"),
    fail: paint.red("FAIL"),
  }[row.state];
  const below = [
    ...row.more,
    ...(row.why === null ? [] : [`why: ${row.why}`]),
    ...(row.do === null ? [] : [`do:  ${row.do}`]),
  ];
  return [
    `${mark}  ${row.name.padEnd(11)} ${oneLine(row.what)}\n`,
    ...below.map((line) => `      ${"".padEnd(11)} ${oneLine(line)}\n`),
  ].join("");
}

const help = `
Examples:
  openclaw-worker doctor
  sudo openclaw-worker doctor          looks at an installation that runs as system users
  openclaw-worker doctor --json | jq '.[] | select(.state != "ok")'

Exit code: 0 when nothing fails (warnings are allowed), 1 otherwise.
`;
