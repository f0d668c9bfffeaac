import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createLog, systemClock } from "@openclaw-worker/base";
import { loadPolicy, watchPolicyFile, type PolicyLoad } from "../../src/policy/load.ts";
import { keepPolicy, type PolicyKeeper } from "../../src/policy/reload.ts";
import { surroundingsOf } from "../../src/policy/roots.ts";
import { temporaryFolder } from "../stage.ts";

interface Desk extends Disposable {
  readonly keeper: PolicyKeeper;
  readonly file: string;
  readonly logged: readonly string[];
  write(text: string): void;
  /** Resolves with the first line that was logged after the call and fits. */
  line(pattern: RegExp): Promise<string>;
}

function openDesk(first: string | null, roots: string | null = null): Desk {
  const folder = temporaryFolder();
  const stateHome = path.join(folder, "state");
  mkdirSync(stateHome);
  mkdirSync(path.join(folder, "root"));
  const file = path.join(stateHome, "policy.json");
  const write = (text: string): void => {
    // As editors do: a new file in the old one's place.
    writeFileSync(`${file}.new`, text.replaceAll("ROOT", path.join(folder, "root")), {
      mode: 0o600,
    });
    renameSync(`${file}.new`, file);
  };
  if (first !== null) write(first);
  const installDir = path.join(folder, "install");
  const around = surroundingsOf({ home: path.join(folder, "home"), stateHome, installDir });
  const uid = process.getuid?.() ?? -1;
  const load = (): PolicyLoad =>
    loadPolicy({
      path: file,
      uid,
      around,
      roots: roots === null ? null : path.join(folder, "root"),
    });
  const start = load();
  assert.ok(start.kind === "policy");
  const clock = systemClock();
  const logged: string[] = [];
  const waiting = new Set<(line: string) => void>();
  const heard = (line: string): void => {
    logged.push(line);
    for (const hear of waiting) hear(line);
  };
  const log = createLog({ clock, level: "info", format: "text", write: heard });
  const watch = (changed: () => void): Disposable => watchPolicyFile(file, changed);
  const keeper = keepPolicy({ clock, log, file, policy: start.policy, load, watch });
  return {
    keeper,
    file,
    logged,
    write,
    line: (pattern) =>
      new Promise((resolve) => {
        const hear = (line: string): void => {
          if (!pattern.test(line)) return;
          waiting.delete(hear);
          resolve(line);
        };
        waiting.add(hear);
      }),
    [Symbol.dispose]() {
      keeper[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

const open = '{ "roots": ["ROOT"] }';
const closed = '{ "roots": ["ROOT"], "default": "deny" }';

test("a changed policy is in force without a restart, and its digest says which one", async () => {
  using desk = openDesk(open);
  const before = desk.keeper.current();
  const changed = desk.line(/the policy has changed/);
  desk.write(closed);
  assert.match(await changed, new RegExp(desk.keeper.current().digest));
  assert.equal(desk.keeper.current().default, "deny");
  assert.notEqual(desk.keeper.current().digest, before.digest);
});

test("a broken file keeps the last good policy, says where it is broken, and can be mended", async () => {
  using desk = openDesk(closed);
  const broken = desk.line(/last good policy/);
  desk.write('{ "roots": ["ROOT"],\n  "rules": { "allow": ["Bahs(ls)"] } }');
  assert.match(await broken, /policy\.json:2:25: unknown tool/);
  assert.equal(desk.keeper.current().default, "deny");
  const mended = desk.line(/the policy has changed/);
  desk.write(open);
  await mended;
  assert.equal(desk.keeper.current().default, "cage");
});

test("a file that is removed loosens nothing, also when the variable names roots", async () => {
  using desk = openDesk(closed, "with the variable");
  const gone = desk.line(/last good policy/);
  rmSync(desk.file);
  assert.match(await gone, /is not in force any more/);
  assert.equal(desk.keeper.current().default, "deny");
});

test("a file that is made wins over the variable at once", async () => {
  using desk = openDesk(null, "with the variable");
  assert.equal(desk.keeper.current().source, "OPENCLAW_WORKER_ROOTS");
  const changed = desk.line(/the policy has changed/);
  desk.write(closed);
  await changed;
  assert.equal(desk.keeper.current().default, "deny");
});

test("a folder that cannot be watched is told, and the policy stays", () => {
  using desk = openDesk(open);
  const logged: string[] = [];
  const clock = systemClock();
  using keeper = keepPolicy({
    clock,
    log: createLog({
      clock,
      level: "info",
      format: "text",
      write: (line) => void logged.push(line),
    }),
    file: desk.file,
    policy: desk.keeper.current(),
    load: () => ({ kind: "missing" }),
    watch: () => watchPolicyFile("/nonexistent/policy.json", () => {}),
  });
  assert.equal(keeper.current().default, "cage");
  assert.match(logged.join(""), /changes of the policy are not noticed/);
});
