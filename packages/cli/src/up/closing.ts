// What stands on the screen when everything runs: where it is, and two lines to try.

import fs from "node:fs";
import path from "node:path";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import type { Place } from "../place.ts";
import { quoted } from "../root/folders.ts";

export interface Closing {
  readonly host: Host;
  readonly place: Place;
  readonly url: string;
  /** The token came from the caller's environment and is kept in no file of the server. */
  readonly tokenIsGiven: boolean;
}

export function closingText({ host, place, url, tokenIsGiven }: Closing): string {
  const paint = paintOf(host, host.stdout);
  const token = tokenIsGiven ? "$WORKER_TOKEN" : `$(cat ${quoted(place.serverToken)})`;
  const rules = fs.existsSync(place.policy)
    ? place.policy
    : `OPENCLAW_WORKER_ROOTS=${host.env["OPENCLAW_WORKER_ROOTS"] ?? ""}`;
  return `
${paint.green("Ready.")} Server and worker run.

  URL     ${paint.bold(url)}
  Token   ${tokenIsGiven ? "your WORKER_TOKEN" : `in ${place.serverToken}`}
  Policy  ${rules}

Try it from another terminal${folderNote(host)}:
  ${paint.cyan(`${commandOf(host)} run 'uname -a'`)}
  ${paint.cyan(`curl -s ${url}/tasks -H "Authorization: Bearer ${token}" -H 'Content-Type: application/json' -d '{"command":"date"}'`)}

Ctrl-C stops both.
`;
}

/** How the command is typed here: by npx where npm has linked it, else by its file. */
function commandOf(host: Host): string {
  const home = host.env["OPENCLAW_WORKER_HOME"] ?? "";
  const prefix = home === "" ? "" : `OPENCLAW_WORKER_HOME=${quoted(path.resolve(host.cwd, home))} `;
  if (fs.existsSync(path.join(host.installDir, "node_modules", ".bin", "openclaw-worker"))) {
    return `${prefix}npx openclaw-worker`;
  }
  return `${prefix}node ${quoted(path.join(host.installDir, "bin", "openclaw-worker.cjs"))}`;
}

function folderNote(host: Host): string {
  return commandOf(host).endsWith("npx openclaw-worker") ? ` (in ${host.installDir})` : "";
}
