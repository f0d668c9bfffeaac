// The macOS profile, as text: it is never run here.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { systemClock } from "@openclaw-worker/base";
import { seatbeltArgv, type SeatbeltOptions } from "../../src/sandbox/seatbelt.ts";

const options: SeatbeltOptions = {
  clock: systemClock(),
  cage: { denyRead: ["/**/.env*"], denyWrite: ["/Users/ada/openclaw/package.json"] },
  shown: { writable: ["/Users/ada/openclaw"], readable: ["/opt/homebrew"] },
  closed: {
    unreadable: ["/Users/ada/openclaw/app/.env"],
    readOnly: ["/Users/ada/openclaw/.git/hooks"],
  },
  hidden: ["/Users/ada/.openclaw-worker"],
  own: "/private/tmp/openclaw-task-1",
  inside: "echo 'it works'",
};

// The library closes some names below the folder that it runs in; the worker's own is empty.
before(() => process.chdir("/tmp"));

/** Without the tag that stands for one run of one command. */
function steady(profile: string): string {
  return profile.replaceAll(/CMD64_\S*?_SBX/g, "TAG");
}

const kept = join(import.meta.dirname, "seatbelt.profile.txt");

test("the macOS profile of a cage is the one that was read", async () => {
  const argv = await seatbeltArgv(options);
  const [program, flag, profile = "", shell, c, text] = argv;
  assert.deepEqual([program, flag, c, text], ["/usr/bin/sandbox-exec", "-p", "-c", options.inside]);
  assert.match(shell ?? "", /\/bash$/);
  if (process.env["UPDATE_PROFILE"] === "1") writeFileSync(kept, `${steady(profile)}\n`);
  assert.equal(`${steady(profile)}\n`, readFileSync(kept, "utf8"));
});

test("the macOS profile opens no network and no disk that was not asked for", async () => {
  const [, , profile = ""] = await seatbeltArgv(options);
  assert.match(profile, /\(deny default/);
  assert.doesNotMatch(profile, /\(allow network/);
  assert.doesNotMatch(profile, /\(allow file-write\*?\)/);
  // Reading is allowed, then denied for the whole disk, then allowed for what is named: the last
  // rule that fits counts.
  const [everything, closed, named] = [
    "(allow file-read*)",
    '(subpath "/")',
    '(subpath "/usr")',
  ].map((text) => profile.indexOf(text));
  assert.ok(everything !== undefined && closed !== undefined && named !== undefined);
  assert.ok(everything > 0 && everything < closed && closed < named);
  assert.ok(profile.lastIndexOf("\\\\.env") > named);
});

test("a rule that the macOS profile cannot say is refused", async () => {
  const cage = { denyRead: ["/Users/ada/[old]/**/.env"] };
  await assert.rejects(seatbeltArgv({ ...options, cage }), /bracket/);
});
