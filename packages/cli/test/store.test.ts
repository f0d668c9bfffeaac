// The server on Redis, and its tasks moved to the file, by the commands as they are typed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { startRedis } from "../../server/test/redis.ts";
import { launcher, runLauncher, temporaryFolder, token } from "./stage.ts";

const skip = process.geteuid?.() === 0 ? "root starts differently" : false;

test("tasks of a server on Redis are moved to its file, and go on there", { skip }, async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const home = await temporaryFolder(stack);
  const env = {
    PATH: "/usr/bin:/bin",
    HOME: home,
    WORKER_PORT: "0",
    WORKER_TOKEN: token,
    OPENCLAW_WORKER_HOME: home,
  };
  const url = redis.url("moved");
  const ask = (at: string, path: string, body?: object): Promise<ReturnType<typeof JSON.parse>> =>
    fetch(at + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).then((answer) => answer.json());

  const first = await startServer(env, ["--store", url]);
  const { taskId } = await ask(first.url, "/tasks", { command: "echo hi" });
  const busy = await runLauncher(["store", "migrate", "--from", url, "--to", "sqlite"], { env });
  assert.equal(busy.code, 2, busy.err);
  assert.match(busy.err, /server\(s\) work on this store/);
  await first.stop();

  const migrate = (from: string, to: string) =>
    runLauncher(["store", "migrate", "--from", from, "--to", to], {
      env: { ...env, WORKER_STORE: url },
    });
  const moved = await migrate("WORKER_STORE", "sqlite");
  assert.equal(moved.code, 0, moved.err);
  assert.match(moved.out, /^Copied \d+ records to sqlite\. [0-9a-f]{64} is the SHA-256 of both/m);
  const again = await migrate(url, "sqlite");
  assert.match(again.out, /holds the same \d+ records already/);
  assert.match((await migrate("sqlite", "sqlite")).err, /name the same store/);
  assert.equal((await migrate("mysql://x", "sqlite")).code, 2);

  const second = await startServer(env, []);
  assert.equal((await ask(second.url, `/tasks/${taskId}`)).status, "pending");
  await second.stop();
});

async function startServer(env: Readonly<Record<string, string>>, flags: readonly string[]) {
  const child = spawn(process.execPath, [launcher, "server", ...flags], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /^Listening on (\S+)$/.exec(line)?.[1];
    if (found === undefined) continue;
    const stop = async (): Promise<void> => {
      child.kill("SIGTERM");
      const [code] = await ended;
      assert.equal(code, 0);
    };
    return { url: found, stop };
  }
  throw new Error("the server ended");
}
