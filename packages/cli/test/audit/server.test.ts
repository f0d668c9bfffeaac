import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog, systemClock } from "@openclaw-worker/base";
import { auditCopiedSchema } from "@openclaw-worker/protocol";
import { copyAudit } from "../../../worker/src/audit/copy.ts";
import { openStage, token } from "../stage.ts";
import { grow, makeFolder } from "./log.ts";

test("a worker's copy on the real server is verified from another computer, and a cut log is an alarm", async () => {
  await using stage = await openStage(null);
  using log = makeFolder();
  await grow(log, 1_200, 400);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const post = (path: string, body: object): Promise<Response> =>
    fetch(`${stage.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const about = { labels: [], version: "0", platform: "test", slots: 1, policyDigest: "none" };
  const worker = { name: "home", instance: "instance-1", publicKey: log.key.public.text, ...about };
  assert.equal((await post("/worker/beat", { worker, held: [] })).status, 200);

  await using audit = await log.open();
  const clock = systemClock();
  const copied = new AbortController();
  await copyAudit(
    {
      audit,
      clock: { ...clock, sleep: (ms, signal) => clock.sleep(ms / 1_000, signal) },
      log: silentLog,
      random: () => 0.5,
      send: async (copy) => {
        const reply = await post("/worker/audit", copy);
        assert.equal(reply.status, 200);
        const answer = auditCopiedSchema.parse(await reply.json());
        if (answer.size === audit.size()) copied.abort();
        return answer;
      },
    },
    copied.signal,
  );
  const good = await stage.cli(["audit", "verify", "--server", "--key", log.key.public.text]);
  assert.equal(good.code, 0, good.out + good.err);
  assert.match(good.out, /1,200 entries of the worker home/);

  const cut = { from: 900, entries: [], head: audit.head(900), consistency: [] };
  const answer = auditCopiedSchema.parse(await (await post("/worker/audit", cut)).json());
  assert.deepEqual([answer.size, /was cut/.test(answer.alarm ?? "")], [1_200, true]);
  assert.equal((await stage.cli(["audit", "verify", "--server"])).code, 0);
});
