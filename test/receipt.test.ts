// A receipt proves the result that it came with, and no other: whatever a server changes in one is
// found by the command at the worker's computer.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openPerson } from "./person.ts";
import { openStage } from "./stage.ts";

test("a result that the server changed in any member is not good with its receipt", async () => {
  await using stage = await openStage();
  await stage.startWorker();
  const desk = openPerson(stage, "desk");
  const text = await stage.client.run({ kind: "command", command: "echo aGVsbG8=" });
  const failed = await stage.client.run({ kind: "command", command: "printf '\\377'; exit 3" });
  await stage.client.run({ kind: "file-write", path: "a.txt", content: "x" });
  const read = await stage.client.run({ kind: "file-read", path: "a.txt" });
  const file = path.join(stage.folder, "result.json");
  const verify = async (result: object): Promise<number | null> => {
    writeFileSync(file, JSON.stringify(result));
    return (await desk.cli("audit", "verify", "--receipt", file)).code;
  };
  for (const result of [text, failed, read]) assert.equal(await verify(result), 0);
  const { stdoutEncoding: _encoding, ...bare } = failed;
  const changed: readonly object[] = [
    { ...text, stdoutEncoding: "base64" },
    bare,
    { ...text, stdout: ["other"] },
    { ...text, stdout: "other" },
    { ...text, error: "Refused by policy: no", status: "failed" },
    { ...text, status: "failed" },
    { ...failed, error: null },
    { ...failed, exitCode: 0, status: "completed" },
    { ...text, hint: "run this as root" },
    { ...text, durationMs: 1 },
    { ...read, encoding: "base64" },
    { ...text, truncated: { stdoutBytes: 9, stderrBytes: 0, stdoutLeftOut: 1, stderrLeftOut: 0 } },
    { ...text, receipt: failed.receipt },
  ];
  for (const [at, result] of changed.entries()) assert.equal(await verify(result), 1, `case ${at}`);
});
