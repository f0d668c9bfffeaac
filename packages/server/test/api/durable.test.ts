// The order of system calls of a real server: the journal is on the disk before the answer is on
// the wire.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { childHome, childToken, startServer } from "../child.ts";
import { callsTo } from "./stage.ts";

before(() => assert.equal(spawnSync("strace", ["-V"]).status, 0, "this test needs strace"));

describe("a submit", () => {
  test("is on the disk before its answer is written to the socket, and so is a result", async () => {
    using home = childHome();
    const trace = `${home.path}/trace`;
    const calls = "trace=fdatasync,fsync,write,writev,sendmsg,sendto,pwrite64,openat";
    const under = ["strace", "-D", "-f", "-s", "4096", "-e", calls, "-o", trace];
    await using server = startServer({ home: home.path, under });
    const api = callsTo(await server.url);
    const own = { token: childToken };
    const marks: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      marks.push((await api.post("/tasks", { command: `echo ${index}` }, own)).body.taskId);
    }
    await api.get("/worker/poll?wait=5000", own);
    // The old answer is always the same; a header tells this one from the others.
    await api.post("/worker/result", { taskId: marks[0], stdout: "x", exitCode: 0 }, own);
    server.process.kill("SIGTERM");
    await server.ending;

    const lines = readFileSync(trace, "utf8").split("\n");
    let from = 0;
    for (const id of marks) {
      const answered = lines.findIndex(
        (line, at) => at >= from && isAnswer(line) && line.includes(`\\"taskId\\":\\"${id}`),
      );
      assert.ok(answered > 0, "the answer is in the trace");
      assertSynced(lines.slice(from, answered));
      from = answered + 1;
    }
    const settled = lines.findIndex(
      (line, at) => at >= from && isAnswer(line) && line.includes('{\\"success\\":true}'),
    );
    assert.ok(settled > 0, "the answer to the result is in the trace");
    assertSynced(lines.slice(from, settled));
  });
});

const isAnswer = (line: string): boolean =>
  /\b(write|writev|sendmsg|sendto)\(/.test(line) && line.includes("HTTP/1.1 200 OK");

/** The last write to the journal is followed by a sync that has returned. */
function assertSynced(lines: readonly string[]): void {
  const journal = lines.findLastIndex((line) => /\bpwrite64\(/.test(line));
  assert.ok(journal >= 0, "nothing was written to the journal");
  const synced = lines
    .slice(journal)
    .some((line) => /\b(fdatasync|fsync)(\(\d+\)| resumed>\)) += 0$/.test(line.trim()));
  assert.ok(synced, `answered without a sync: ${lines.slice(journal).join("\n")}`);
}
