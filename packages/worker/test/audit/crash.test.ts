import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { parsePrivateKey, readEntry } from "@openclaw-worker/protocol";
import { z } from "zod";
import { openDesk } from "./desk.ts";

const program = path.join(import.meta.dirname, "program.ts");
const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning"];

test("kill -9 while it writes: the log opens, and has all that was said to be on the disk", async () => {
  using desk = openDesk();
  let told = 0;
  for (let round = 0; round < 6; round += 1) {
    const child = spawn(process.execPath, [...flags, program, "write", desk.folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      told = Number(line);
      seen += 1;
      if (seen === 20 + round * 11) child.kill("SIGKILL");
    }
    await exited;
    const pem = readFileSync(path.join(desk.folder, "identity.pem"), "utf8");
    const key = parsePrivateKey(pem) ?? desk.options.key;
    await using audit = await desk.open({ key });
    assert.ok(audit.size() >= told, `${audit.size()} entries, ${told} were told`);
    await audit.flushed();
    for (const [seq, line] of desk.lines().entries()) {
      assert.equal(readEntry(line, seq).kind, "entry");
    }
  }
});

const filledSchema = z.object({
  why: z.string(),
  full: z.string(),
  sealed: z.null(),
  whole: z.literal(true),
  size: z.int().min(10),
  after: z.int(),
  wholeAfter: z.literal(true),
  receipt: z.literal("good"),
  kept: z.literal(true),
  /** Each change once. */
  told: z.tuple([z.literal(true), z.literal(false)]),
});

test("a full disk: the log says so, stays whole, and goes on when there is room, nothing forgotten", () => {
  using desk = openDesk();
  const disk = ["--dev-bind", "/", "/", "--size", "524288", "--tmpfs", desk.folder];
  const command = [process.execPath, ...flags, program, "fill", desk.folder];
  const ran = spawnSync("/usr/bin/bwrap", [...disk, "--", ...command], { encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
  const filled = filledSchema.parse(JSON.parse(ran.stdout));
  assert.match(filled.why, /ENOSPC/);
  assert.ok(filled.after > filled.size);
});
