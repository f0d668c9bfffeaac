// Is the server's port free? Asked before anything is started, so that the answer is ours to word.

import net from "node:net";
import { createClient } from "@openclaw-worker/client";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";

const usualPort = 3456;
const probeMs = 2_000;

/** @throws Failure that says who may hold the port, and how to choose another */
export async function checkPort(host: Host): Promise<void> {
  const text = host.env["WORKER_PORT"] ?? "";
  const port = text === "" ? usualPort : Number(text);
  // The server has words of its own for what is no port.
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return;
  if (await isFree(port)) return;
  const url = `http://127.0.0.1:${port}`;
  throw new Failure(`Port ${port} is in use`, {
    why: (await isOurs(host, url))
      ? `another OpenClaw Worker server answers at ${url}: perhaps \`up\` runs already, or a service`
      : `another program listens there; see which: ss -ltnp 'sport = :${port}'`,
    remedy: `Stop that one, or choose another port: WORKER_PORT=${port === 65_535 ? 3457 : port + 1} openclaw-worker up`,
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "EADDRINUSE"));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

async function isOurs(host: Host, url: string): Promise<boolean> {
  using client = createClient({ url, token: "none", clock: host.clock, patienceMs: 0 });
  const late = new AbortController();
  using _ = host.clock.after(probeMs, () => late.abort(new Error("no answer")));
  return client.health(late.signal).then(
    () => true,
    () => false,
  );
}
