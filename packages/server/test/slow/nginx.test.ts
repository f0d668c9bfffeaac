// A reader who waits two minutes behind the deployment guide's own nginx block, which cuts silence
// at 60 seconds. Slow by nature: it must outlast that.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { before, describe, test } from "node:test";
import { systemClock } from "@openclaw-worker/base";
import { callsTo, eventually, openApiStage, pollOld } from "../api/stage.ts";
import { temporaryFolder } from "../folder.ts";

before(() => assert.equal(spawnSync("nginx", ["-v"]).status, 0, "this test needs nginx"));

/** The guide's block; only the two ports are ours. */
const serverBlock = (port: number, api: number): string => `
server {
    listen 127.0.0.1:${port};
    server_name _;

    location / {
        proxy_pass http://localhost:${api};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection 'upgrade';
        proxy_set_header Host $host;
        proxy_cache_bypass $http_upgrade;
    }
}`;

describe("behind nginx", () => {
  test(
    "a wait of two minutes gets a result that comes after more than one",
    { timeout: 180_000 },
    async () => {
      await using stage = await openApiStage();
      using folder = temporaryFolder();
      const port = await freePort();
      const nginx = startNginx(folder.path, serverBlock(port, stage.port));
      try {
        const proxied = callsTo(`http://127.0.0.1:${port}`);
        await eventually(() => proxied.get("/health").catch(() => null));
        const { taskId } = (await proxied.post("/tasks", { command: "x" })).body;
        const reading = proxied.get(`/tasks/${taskId}?wait=120000`);
        assert.equal((await pollOld(proxied)).id, taskId);
        await systemClock().sleep(65_000);
        await proxied.post("/worker/result", { taskId, stdout: "late", exitCode: 0 });
        const answer = await reading;
        assert.equal(answer.status, 200, answer.text);
        assert.match(answer.text, /^ {4}\{/);
        assert.equal(answer.body.stdout, "late");
      } finally {
        nginx.kill("SIGTERM");
        await once(nginx, "exit");
      }
    },
  );
});

function startNginx(folder: string, block: string): ChildProcess {
  mkdirSync(`${folder}/temp`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/temp/${name};`,
  );
  writeFileSync(
    `${folder}/nginx.conf`,
    `daemon off; pid ${folder}/pid; error_log stderr;\nevents {}\nhttp { access_log off; ${temporary.join(" ")}\n${block}\n}\n`,
  );
  return spawn("nginx", ["-p", folder, "-c", `${folder}/nginx.conf`], { stdio: "ignore" });
}

/** nginx cannot say which port it was given, so it is told one that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
