// What takes longer than a minute by its nature: proxies that cut silent answers, leases of their
// real length, a server that is away for long. They wait beside each other.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { acceptedSchema, limits, resultSchema } from "@openclaw-worker/protocol";
import { startProgram } from "../program.ts";
import { linesOf, until } from "../scene.ts";
import { openPort, openStage, type Stage } from "../stage.ts";
import { openWire } from "../wire.ts";

describe("the house over minutes", { concurrency: true }, () => {
  test("an answer that takes longer than a minute comes through the guide's own nginx block", async () => {
    await using stage = await openStage({ asGuided: true });
    await stage.startWorker();
    await using proxy = await openNginx(stage);
    const wire = openWire({ url: proxy.url, token: stage.token });
    const body = { command: "sleep 70; echo late", timeout: 120_000 };
    const accepted = await wire.ask({ method: "POST", path: "/tasks", body });
    const { taskId } = acceptedSchema.parse(accepted.json());
    const answer = await wire.ask({ path: `/tasks/${taskId}?wait=120000` });
    wire.close();
    assert.equal(answer.status, 200);
    // Longer than two leases: that it is not lost shows that beats renew them.
    const { stdout, outcome, durationMs = 0 } = resultSchema.parse(answer.json());
    assert.deepEqual([outcome, stdout], ["done", "late\n"]);
    assert.ok(durationMs > 60_000);
    assert.match(answer.text, /^ +\{/, "spaces kept the connection open");
  });

  test("a worker behind the guide's nginx block takes tasks after minutes of silence", async () => {
    await using stage = await openStage({ asGuided: true });
    await using proxy = await openNginx(stage);
    const worker = await stage.startWorker({ url: proxy.url, env: { LONG_POLL_WAIT: "600000" } });
    await pause(75_000);
    const { stdout } = await stage.client.run({ kind: "command", command: "echo hello" });
    assert.equal(stdout, "hello\n");
    assert.deepEqual(
      worker.lines.filter((line) => line.includes("Connection failed")),
      [],
    );
  });

  test("a worker that slept for three leases tells late what became of its task, and works on", async (t) => {
    await using stage = await openStage();
    const worker = await stage.startWorker();
    const command = "echo once >> ran; sleep 1; cat ran";
    const { taskId } = await stage.client.submit({ kind: "command", command, timeout: 600_000 });
    await until(() => linesOf(`${stage.rootOf()}/ran`)[0]);
    worker.signal("SIGSTOP");
    await pause(3 * limits.leaseMs);
    const lost = await stage.client.wait(taskId);
    assert.equal(lost.outcome, "lost");
    const next = await stage.client.submit({ kind: "command", command: "echo next" });
    assert.equal(next.online, false, "a submit to a worker that is away says so");
    worker.signal("SIGCONT");
    const from = performance.now();
    assert.equal((await stage.client.wait(next.taskId)).stdout, "next\n");
    t.diagnostic(`first task ${Math.round(performance.now() - from)} ms after waking`);
    assert.ok(performance.now() - from < 10_000);
    const late = await until(async () => {
      const result = await stage.client.wait(taskId);
      return result.outcome === "lost" ? undefined : result;
    });
    assert.deepEqual([late.outcome, late.stdout], ["done", "once\n"]);
  });

  test("a worker is back within moments of a server that was away for a minute", async (t) => {
    await using stage = await openStage();
    await stage.startWorker({ noting: true });
    await stage.server.kill();
    await pause(60_000);
    await stage.startServer();
    const from = performance.now();
    assert.equal(
      (await stage.client.run({ kind: "command", command: "echo after" })).outcome,
      "done",
    );
    t.diagnostic(`back after ${Math.round(performance.now() - from)} ms`);
    assert.ok(performance.now() - from < 4_000);
  });
});

interface Nginx extends AsyncDisposable {
  readonly url: string;
}

/** A real nginx, as this user, with the guide's server block; only ports and name are put in. */
async function openNginx(stage: Stage): Promise<Nginx> {
  const folder = path.join(stage.folder, "nginx");
  mkdirSync(folder);
  const port = await openPort();
  const block = String.raw`server {
    listen 80;
    server_name YOUR_DOMAIN;

    location / {
        proxy_pass http://localhost:3456;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection 'upgrade';
        proxy_set_header Host $host;
        proxy_cache_bypass $http_upgrade;
    }
}`
    .replace("listen 80", `listen 127.0.0.1:${port}`)
    .replace("YOUR_DOMAIN", "localhost")
    .replace("localhost:3456", `localhost:${stage.port}`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const file = path.join(folder, "nginx.conf");
  writeFileSync(
    file,
    [
      "daemon off;",
      `pid ${folder}/pid;`,
      "error_log stderr notice;",
      "events {}",
      "http {",
      "access_log off;",
      ...temporary,
      block,
      "}",
      "",
    ].join("\n"),
  );
  const argv = ["/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", file];
  const nginx = startProgram({ argv, env: { PATH: "/usr/sbin:/usr/bin:/bin" } });
  await nginx.said(/start worker process \d+$/);
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await nginx.stop();
    },
  };
}
