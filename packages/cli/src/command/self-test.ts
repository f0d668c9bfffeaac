import fs from "node:fs";
import path from "node:path";
import { silentLog } from "@openclaw-worker/base";
import {
  CageUnavailable,
  loadPolicy,
  openRunner,
  resolveLoginEnvironment,
  surroundingsOf,
  type Policy,
} from "@openclaw-worker/worker";
import { Command } from "commander";
import { fail, ok, warn, type Row } from "../doctor/row.ts";
import type { Host } from "../host.ts";
import { refusedByInstallation } from "../installed.ts";
import { placeOf, type Place } from "../place.ts";
import type { End } from "../end.ts";

/** Looks at the policy and proves the cage as this user; prints rows as JSON. */
export function define(host: Host, end: End): Command {
  return new Command("openclaw-worker self-test")
    .description(
      "Looks at policy and cage as this user and prints what it found as JSON (for `doctor`).",
    )
    .action(async () => {
      const place = placeOf(host);
      const { policy, row } = await policyRow(host, place);
      const rows = [row, policy === null ? noRoots : await cageRow(host, place, policy)];
      host.stdout.write(`${JSON.stringify(rows)}\n`);
      end(0);
    });
}

const noRoots = warn(
  "cage",
  "not tried: it is built around the folders of the policy",
  "Mend the policy first.",
);

interface PolicyFound {
  readonly policy: Policy | null;
  readonly row: Row;
}

async function policyRow(host: Host, place: Place): Promise<PolicyFound> {
  const around = surroundingsOf({
    home: host.home,
    stateHome: place.home,
    installDir: host.installDir,
  });
  const roots = host.env["OPENCLAW_WORKER_ROOTS"] ?? null;
  const load = loadPolicy({ path: place.policy, roots, uid: host.uid, around });
  if (load.kind === "missing") {
    const row = warn(
      "policy",
      `there is no ${place.policy} yet`,
      "openclaw-worker policy init ~/openclaw",
    );
    return { policy: null, row };
  }
  const refused = load.kind === "refused" ? load.because : await refusedByInstallation(host, place);
  if (load.kind === "refused" || refused.length > 0) {
    return { policy: null, row: fail("policy", refused.join("; "), `Mend it: ${place.policy}`) };
  }
  const names = load.policy.roots.map((root) => root.path).join(", ");
  return {
    policy: load.policy,
    row: ok("policy", `${load.policy.source}: tasks may use ${names}`),
  };
}

async function cageRow(host: Host, place: Place, policy: Policy): Promise<Row> {
  if (host.uid === 0)
    return fail("cage", "root has no cage", "Run this as the user that the worker runs as.");
  // A folder of its own: a worker that runs now keeps things beside it that must not be touched.
  const stateDir = path.join(place.worker, "self-test");
  try {
    fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const { clock, signal, shell, home } = host;
    const environment = await resolveLoginEnvironment({
      clock,
      shell,
      home,
      base: host.env,
      signal,
    });
    const roots = policy.roots.map((root) => root.path);
    await using _ = await openRunner({
      clock,
      environment,
      home,
      stateDir,
      log: silentLog,
      hidden: [place.home],
      warm: 0,
      cage: { roots, readable: environment.readable },
    });
    return ok(
      "cage",
      "holds: files, network, sockets, privileges and processes are closed as they should be",
    );
  } catch (thrown) {
    if (thrown instanceof CageUnavailable) return fail("cage", thrown.message, thrown.remedy);
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return fail("cage", `could not be tested: ${why}`, "Mend what it names.");
  } finally {
    fs.rmSync(stateDir, { recursive: true, force: true });
  }
}
