// A real worker process whose tasks never end, for tests that kill it: prints `begun <id>` once a
// task is in the journal and running.

import { createLog, systemClock } from "@openclaw-worker/base";
import { runParts } from "../src/assemble.ts";
import { openJournal } from "../src/journal.ts";
import { openLink } from "../src/link.ts";
import { createRedactor } from "../src/output/redact.ts";
import { surroundingsOf } from "../src/policy/roots.ts";

const [url = "", token = "", journalFile = "", root = ""] = process.argv.slice(2);
const clock = systemClock();
const log = createLog({
  clock,
  level: "info",
  format: "text",
  write: (line) => process.stderr.write(line),
});
const signal = new AbortController().signal;
await runParts(
  {
    clock,
    log,
    random: Math.random,
    readable: [],
    around: surroundingsOf({ home: root, stateHome: root, installDir: "/nowhere" }),
    redactor: createRedactor([]),
    home: root,
    pollMs: 20_000,
    onReady: () => {},
    link: openLink({ clock, log, url: new URL(url), token }),
    journal: openJournal({ file: journalFile, clock }),
    policy: () => ({
      roots: [{ named: root, path: root }],
      default: "cage",
      source: "policy.json",
      digest: "d",
    }),
    introduction: {
      name: "desk",
      instance: `process-${process.pid}`,
      labels: [],
      version: "0.1.0",
      platform: "test",
      slots: 3,
      policyDigest: "d",
    },
    runner: {
      run(job) {
        process.stdout.write(`begun ${job.taskId}\n`);
        return new Promise(() => {});
      },
    },
  },
  signal,
);
