// Where the API is reached, and how it stops being reached: whoever waits gets an answer first.

import { messageOf, type Clock } from "@openclaw-worker/base";
import type { FastifyInstance } from "fastify";
import net from "node:net";
import { ConfigError, type Config } from "./config.ts";

export interface Listening {
  /** The address to show, IPv4 when there is one. */
  readonly address: string;
  /** Answers what is under way, for a moment; then every connection is closed. */
  close(): Promise<void>;
}

/** What is still under way after this long is cut off. */
const closeMs = 1_500;
const idleLookMs = 50;
const backlog = 4096;

/**
 * Listens on the host of the configuration; `localhost` is both loopback addresses, whatever the
 * names file of this machine says.
 * @throws ConfigError when the address cannot be had
 */
export async function listen(
  app: FastifyInstance,
  { host, port }: Pick<Config, "host" | "port">,
  clock: Clock,
): Promise<Listening> {
  // Keep-alive probes find a peer that is gone without a word; no delay, because answers are small.
  app.server.on("connection", (socket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
  });
  const isLoopback = host === "localhost";
  const first = isLoopback ? "127.0.0.1" : host;
  await app.listen({ host: first, port, backlog }).catch(refuse(first, port));
  const bound = app.addresses().find((one) => typeof one !== "string") ?? { address: first, port };
  const second = isLoopback ? await listenOnSecond(app, bound.port) : null;

  return {
    address: `http://${bracket(bound.address)}:${bound.port}`,
    async close() {
      using _idle = clock.every(idleLookMs, () => app.server.closeIdleConnections());
      using _cut = clock.after(closeMs, () => app.server.closeAllConnections());
      const secondClosed = second === null ? null : new Promise((resolve) => second.close(resolve));
      await app.close();
      await secondClosed;
    },
  };
}

/** ::1 beside 127.0.0.1: its connections are handed to the same HTTP server. Null without IPv6. */
async function listenOnSecond(app: FastifyInstance, port: number): Promise<net.Server | null> {
  const host = "::1";
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    app.server.emit("connection", socket);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port, backlog, ipv6Only: true }, resolve);
  try {
    await promise;
    return server;
  } catch (error) {
    if (/EADDRNOTAVAIL|EAFNOSUPPORT/.test(messageOf(error))) return null;
    // Somebody else there would be handed the tokens of clients that dial "localhost".
    await app.close();
    return refuse(host, port)(error);
  }
}

function refuse(host: string, port: number): (error: unknown) => never {
  return (error) => {
    const why = messageOf(error);
    if (why.includes("EADDRINUSE")) {
      throw new ConfigError(
        `Port ${port} is in use by another program. See which: ss -ltnp 'sport = :${port}'. Or choose another port with WORKER_PORT.`,
        { cause: error },
      );
    }
    throw new ConfigError(`Cannot listen on ${host}:${port}: ${why}`, { cause: error });
  };
}

function bracket(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
