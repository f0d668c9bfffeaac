import { Command } from "commander";
import type { LocalGrant } from "@openclaw-worker/worker";
import { needLocal } from "../approval/local.ts";
import { escaped } from "../approval/text.ts";
import { durationText } from "../duration.ts";
import type { End } from "../end.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { tableText } from "../table.ts";

interface GrantsFlags {
  readonly json?: boolean;
  readonly all?: boolean;
}

export function define(host: Host, end: End): Command {
  const command = new Command("openclaw-worker grants")
    .description("Standing permissions that you gave to this computer's worker.")
    .option("--all", "those that are over or revoked, too")
    .option("--json", "print a JSON list")
    .addHelpText("after", help)
    .action(async (flags: GrantsFlags) => end(await list(host, flags)));
  command
    .command("revoke")
    .description("Takes one back, at once.")
    .argument("<id>", "its id, or the beginning of it")
    .option("--json", "print one JSON object")
    .action(async (id: string, flags: GrantsFlags) =>
      end(await revoke(host, id, { ...command.opts<GrantsFlags>(), ...flags })),
    );
  return command;
}

async function list(host: Host, flags: GrantsFlags): Promise<number> {
  using local = await needLocal(host, null);
  const grants = (await local.grants()).filter(({ inForce }) => inForce || flags.all === true);
  if (flags.json === true) host.stdout.write(`${JSON.stringify(grants, null, 2)}\n`);
  else if (grants.length === 0) host.stderr.write("No standing permission is in force.\n");
  else {
    const rows = grants.map((one) => row(one, host.clock.now()));
    const head = ["ID", "RULE", "USED", "ENDS IN", "GIVEN BY"];
    const width = host.stdout.isTerminal ? host.stdout.columns : 400;
    host.stdout.write(tableText([head, ...rows], width));
  }
  return exitCodes.ok;
}

function row(given: LocalGrant, now: number): readonly string[] {
  const { grant, uses, inForce } = given;
  return [
    given.id,
    escaped(grant.rule),
    grant.runsMax === undefined ? String(uses) : `${uses}/${grant.runsMax}`,
    inForce ? durationText(Math.max(0, grant.expiresAt - now)) : "over",
    escaped(given.by),
  ];
}

async function revoke(host: Host, id: string, flags: GrantsFlags): Promise<number> {
  using local = await needLocal(host, null);
  const found = (await local.grants()).filter(
    (one) => one.inForce && one.id.startsWith(id.toLowerCase()),
  );
  const [one] = found;
  if (one === undefined || found.length > 1) {
    throw new Failure("No permission was taken back", {
      why: `${found.length} in force begin with ${JSON.stringify(id)}`,
      remedy: "See them: openclaw-worker grants",
    });
  }
  const problem = await local.revokeGrant(one.id);
  if (problem !== null) {
    const remedy = "See them: openclaw-worker grants --all";
    throw new Failure("No permission was taken back", { why: problem, remedy });
  }
  const answer = { id: one.id, rule: one.grant.rule, revoked: true };
  const text = `Taken back: ${escaped(one.grant.rule)}\n`;
  host.stdout.write(flags.json === true ? `${JSON.stringify(answer)}\n` : text);
  return exitCodes.ok;
}

const help = `
Examples:
  openclaw-worker grants
  openclaw-worker grants revoke 0192f3a1
`;
