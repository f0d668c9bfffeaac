// How a real server starts, or refuses to: tokens, folders, ports.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { describe, test } from "node:test";
import { runServer } from "../../src/main.ts";
import { childHome, childToken, startServer } from "../child.ts";
import { callsTo } from "./stage.ts";

const portOf = (url: string): number => Number(new URL(url).port);
const own = { token: childToken };

describe("the token", () => {
  for (const token of [
    "a-tiny-one",
    "123456789012345",
    "changeme-changeme-1",
    "your_token_here_12",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    "your-secret-token-here",
  ]) {
    test(`"${token}" is refused with the command that makes a better one`, async () => {
      using home = childHome();
      await using server = startServer({ home: home.path, env: { WORKER_TOKEN: token } });
      const { code, stdout, stderr } = await server.ending;
      assert.equal(code, 2);
      assert.match(stderr, /openssl rand -hex 32/);
      assert.equal((stdout + stderr).includes(token), false);
    });
  }

  test("a second one approves: it must be long, and another than the first", async () => {
    using home = childHome();
    for (const [approve, why] of [
      ["short", /APPROVE_TOKEN is shorter than 16/],
      [childToken, /APPROVE_TOKEN must differ/],
    ] as const) {
      await using server = startServer({ home: home.path, env: { APPROVE_TOKEN: approve } });
      const { code, stderr } = await server.ending;
      assert.equal(code, 2);
      assert.match(stderr, why);
    }
    const approve = "a-token-that-approves";
    await using server = startServer({ home: home.path, env: { APPROVE_TOKEN: approve } });
    const calls = callsTo(await server.url);
    assert.equal((await calls.get("/approvals", { token: approve })).status, 200);
    assert.equal((await calls.post("/tasks", { command: "x" }, { token: approve })).status, 403);
  });

  test("is made, kept for this user only, and shown once", async () => {
    using home = childHome();
    const file = `${home.path}/.openclaw-worker/server/token`;
    let token = "";
    for (const isFirst of [true, false]) {
      await using server = startServer({ home: home.path, env: { WORKER_TOKEN: "" } });
      const url = await server.url;
      token = readFileSync(file, "utf8").trim();
      assert.match(token, /^[0-9a-f]{64}$/);
      assert.equal((await callsTo(url).get("/tasks/stats", { token })).status, 200);
      assert.equal((await callsTo(url).get("/tasks/stats", { token: "guess" })).status, 401);
      server.process.kill("SIGTERM");
      const { stdout, stderr } = await server.ending;
      assert.equal(stdout.includes(token), isFirst);
      assert.equal(stderr.includes(token), false);
    }
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  test("in a file that was emptied is refused, not replaced in silence", async () => {
    using home = childHome();
    await using first = startServer({ home: home.path, env: { WORKER_TOKEN: "" } });
    await first.url;
    first.process.kill("SIGTERM");
    await first.ending;
    writeFileSync(`${home.path}/.openclaw-worker/server/token`, "\n");
    await using second = startServer({ home: home.path, env: { WORKER_TOKEN: "" } });
    assert.equal((await second.ending).code, 2);
  });
});

describe("the state folder", () => {
  test("is 0700 and its files 0600, whatever the umask is", async () => {
    using home = childHome();
    await using server = startServer({
      home: home.path,
      env: { WORKER_TOKEN: "" },
      under: ["sh", "-c", 'umask 000; exec "$@"', "sh"],
    });
    await server.url;
    const folder = `${home.path}/.openclaw-worker/server`;
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    const files = readdirSync(folder);
    assert.ok(files.includes("tasks.db") && files.includes("tasks.db-wal"), files.join());
    for (const file of files) assert.equal(statSync(`${folder}/${file}`).mode & 0o777, 0o600, file);
  });

  test("in use by another server is refused with a sentence, and the first one goes on", async () => {
    using home = childHome();
    await using first = startServer({ home: home.path });
    const calls = callsTo(await first.url);
    await calls.post("/tasks", { command: "x" }, own);
    await using second = startServer({ home: home.path });
    const { code, stderr } = await second.ending;
    assert.equal(code, 1);
    assert.match(stderr, /in use by another server/);
    assert.equal((await calls.post("/tasks", { command: "x" }, own)).status, 200);
  });

  test("that cannot be made is refused with what to do", async () => {
    using home = childHome();
    writeFileSync(`${home.path}/a-file`, "");
    await using server = startServer({
      home: home.path,
      env: { OPENCLAW_WORKER_HOME: `${home.path}/a-file` },
    });
    const { code, stderr } = await server.ending;
    assert.equal(code, 2);
    assert.match(stderr, /OPENCLAW_WORKER_HOME/);
  });

  test("of another user is refused with the command that mends it", async () => {
    using home = childHome();
    mkdirSync(`${home.path}/server`);
    const lines: string[] = [];
    const host = {
      env: { OPENCLAW_WORKER_HOME: home.path },
      stdout: () => {},
      home: home.path,
      signal: AbortSignal.abort(),
    };
    const stderr = (line: string): void => {
      lines.push(line);
    };
    const someoneElse = statSync(`${home.path}/server`).uid + 1;
    assert.equal(await runServer({ ...host, stderr, uid: someoneElse }), 2);
    assert.match(lines.join(), /chown -R/);
  });

  test("is never root's", async () => {
    const lines: string[] = [];
    const stderr = (line: string): void => {
      lines.push(line);
    };
    const host = {
      env: {},
      stdout: () => {},
      home: "/nonexistent",
      signal: AbortSignal.abort(),
      uid: 0,
    };
    assert.equal(await runServer({ ...host, stderr }), 2);
    assert.match(lines.join(), /never runs as root/);
  });
});

describe("the address", () => {
  test("is both loopback addresses unless said otherwise, with the same door", async () => {
    using home = childHome();
    await using server = startServer({ home: home.path });
    const port = portOf(await server.url);
    for (const host of ["127.0.0.1", "[::1]"]) {
      const calls = callsTo(`http://${host}:${port}`);
      assert.equal((await calls.get("/health", { token: null })).status, 200, host);
      assert.equal((await calls.get("/tasks/stats", { token: null })).status, 401, host);
    }
    // The refusal before the body holds on the second address as well.
    const heard = await request(
      "::1",
      port,
      "POST /tasks HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n",
    );
    assert.match(heard, /^HTTP\/1\.1 401 /);
  });

  test("is only the one that WORKER_HOST says", async () => {
    using home = childHome();
    await using server = startServer({ home: home.path, env: { WORKER_HOST: "127.0.0.2" } });
    const url = await server.url;
    assert.equal(new URL(url).hostname, "127.0.0.2");
    assert.equal((await callsTo(url).get("/health")).status, 200);
    for (const host of ["127.0.0.1", "::1"]) {
      await assert.rejects(request(host, portOf(url), "GET /health HTTP/1.1\r\n\r\n"), {
        code: "ECONNREFUSED",
      });
    }
  });

  for (const host of ["127.0.0.1", "::1"]) {
    test(`with the port taken on ${host} is refused with how to find out by whom`, async () => {
      using home = childHome();
      const other = net.createServer();
      await new Promise<void>((resolve) => other.listen({ host, port: 0 }, resolve));
      const address = other.address();
      const port = typeof address === "object" ? (address?.port ?? 0) : 0;
      try {
        await using server = startServer({ home: home.path, env: { WORKER_PORT: String(port) } });
        const { code, stdout, stderr } = await server.ending;
        assert.equal(code, 2);
        assert.match(
          stderr,
          new RegExp(`Port ${port} is in use by another program.*ss -ltnp.*WORKER_PORT`),
        );
        assert.doesNotMatch(stdout, /Listening/);
      } finally {
        other.close();
      }
    });
  }

  test("with a port that is none is refused in words", async () => {
    using home = childHome();
    for (const port of ["x", "-1", "65536", "1.5"]) {
      await using server = startServer({ home: home.path, env: { WORKER_PORT: port } });
      const { code, stderr } = await server.ending;
      assert.equal(code, 2);
      assert.match(stderr, /WORKER_PORT must be a port number/);
    }
  });
});

function request(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = "";
    const socket = net.connect({ host, port }, () => socket.write(text));
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => {
      heard += String(chunk);
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(heard));
  });
}
