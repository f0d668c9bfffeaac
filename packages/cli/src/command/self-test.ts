import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { silentLog } from "@openclaw-worker/base";
import {
  CageUnavailable,
  judge,
  loadPolicy,
  createRedactor,
  openRunner,
  resolveLoginEnvironment,
  surroundingsOf,
  type Cage,
  type Policy,
} from "@openclaw-worker/worker";
import { Command } from "commander";
import { powerLines, powerOf } from "../doctor/power.ts";
import { fail, ok, warn, type Row } from "../doctor/row.ts";
import type { End } from "../end.ts";
import type { Host } from "../host.ts";
import { refusedByInstallation } from "../installed.ts";
import { placeOf, type Place } from "../place.ts";

/** Looks at the policy and proves the cage as this user; prints rows as JSON. */
export function define(host: Host, end: End): Command {
  return new Command("openclaw-worker self-test")
    .description(
      "Looks at policy and cage as this user and prints what it found as JSON (for `doctor`).",
    )
    .action(async () => {
      const place = placeOf(host);
      const { policy, rows } = await policyRows(host, place);
      const found =
        policy === null
          ? [...rows, notTried]
          : [...rows, ...powerRows(policy), ...(await cageRows(host, place, policy))];
      host.stdout.write(`${JSON.stringify(found)}\n`);
      end(0);
    });
}

const notTried = warn("cage", "not tried", {
  why: "it is built around the folders of the policy",
  do: "Mend the policy first.",
});

interface PolicyFound {
  readonly policy: Policy | null;
  readonly rows: readonly Row[];
}

async function policyRows(host: Host, place: Place): Promise<PolicyFound> {
  const { home, installDir, uid } = host;
  const around = surroundingsOf({ home, stateHome: place.home, installDir });
  const roots = host.env["OPENCLAW_WORKER_ROOTS"] ?? null;
  const load = loadPolicy({ path: place.policy, roots, uid, around, look: true });
  if (load.kind === "missing") {
    const trouble = {
      why: "the worker does not guess what it may do, and does not start without one",
      do: "openclaw-worker policy init ~/openclaw",
    };
    return { policy: null, rows: [warn("policy", `there is no ${place.policy} yet`, trouble)] };
  }
  const refused = load.kind === "refused" ? load.because : await refusedByInstallation(host, place);
  if (load.kind === "refused" || refused.length > 0) {
    const trouble = {
      why: "a running worker keeps its last good policy; at its next start it refuses this one",
      do: `Mend ${place.policy}, then: openclaw-worker policy check`,
    };
    return { policy: null, rows: refused.map((because) => fail("policy", because, trouble)) };
  }
  const { policy, notes } = load;
  const names = policy.roots.map((root) => root.path).join(", ");
  const rows = [
    ok("policy", `${policy.source}: tasks may use ${names}`),
    ...notes.map((note) =>
      warn("policy", note, {
        why: "the worker starts, but this is not as it should be",
        do: "Do what it says, then: openclaw-worker policy check",
      }),
    ),
  ];
  return { policy, rows };
}

/** What the policy hands to whoever has the token. */
function powerRows(policy: Policy): readonly Row[] {
  const power = powerOf(policy);
  const what = "with your token somebody, or a server that was stolen";
  return [
    ok("power", what, powerLines(power)),
    ...power.large.map((one) =>
      warn("power", one.what, {
        why: "a stolen token is enough for it",
        do: `In ${policy.source}: ${one.do}`,
      }),
    ),
  ];
}

/** The cage of a task that has no needs of its own, with what the rules close in it. */
function cageOf(policy: Policy, readable: readonly string[]): Cage {
  const [{ path: cwd }] = policy.roots;
  const question = { kind: "command", command: "true", cwd, fed: false, hasEnv: false } as const;
  const { roots, writable, readable: more } = judge(question, policy).grant;
  const { denyRead = [], denyWrite = [] } = policy.book ?? {};
  return { roots, writable, readable: [...readable, ...more], denyRead, denyWrite };
}

const fileTestMs = 10_000;

async function cageRows(host: Host, place: Place, policy: Policy): Promise<readonly Row[]> {
  if (host.uid === 0) {
    const trouble = {
      why: "in a cage root would keep capabilities",
      do: "Run this as the user that the worker runs as.",
    };
    return [fail("cage", "root has no cage", trouble)];
  }
  // A folder of its own: a worker that runs now keeps things beside it that must not be touched.
  const stateDir = path.join(place.worker, "self-test");
  try {
    fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    host.settleIn(path.join(stateDir, "empty"));
    const { clock, signal, shell, home } = host;
    const environment = await resolveLoginEnvironment({
      clock,
      shell,
      home,
      base: host.env,
      signal,
    });
    await using runner = await openRunner({
      clock,
      environment,
      home,
      stateDir,
      log: silentLog,
      hidden: [place.home],
      warm: 0,
      redactor: createRedactor([]),
      cage: cageOf(policy, environment.readable),
    });
    // The worker's own way to files: it needs the native part of fs-safe. Not in the state folder,
    // where no task may write.
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "openclaw-self-test-")));
    using _folder = disposing(() => fs.rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, "proof");
    const report = await runner.run({
      taskId: "self-test",
      placed: { kind: "file-write", path: file, content: "proof", encoding: "utf8" },
      cwd: folder,
      timeoutMs: fileTestMs,
      cage: { roots: [folder], readable: [] },
      signal,
    });
    return [
      ok(
        "cage",
        "holds: files, network, sockets, privileges and processes are closed as they should be",
      ),
      report.outcome === "done"
        ? ok("files", "file tasks go the safe way (the native part of fs-safe loads)")
        : fail("files", report.error ?? "a file could not be written", {
            why: "without the native part a swapped link could lead a file task out of a root, so file tasks fail",
            do: "npm install --include=optional (the package for this system is optional), then start again",
          }),
    ];
  } catch (thrown) {
    const why = "without a cage that was proved the worker takes no task";
    if (thrown instanceof CageUnavailable) {
      return [fail("cage", thrown.message, { why, do: thrown.remedy })];
    }
    const because = thrown instanceof Error ? thrown.message : String(thrown);
    return [fail("cage", `could not be tested: ${because}`, { why, do: "Mend what it names." })];
  } finally {
    fs.rmSync(stateDir, { recursive: true, force: true });
  }
}

function disposing(act: () => void): Disposable {
  return { [Symbol.dispose]: act };
}
