// A place on the way between a worker and the server: sees every request, lets it pass, holds it
// back, or does something first. Bytes are passed on unchanged.

import { once } from "node:events";
import net from "node:net";

export interface Gate extends AsyncDisposable {
  /** Dial here instead of the server. */
  readonly url: string;
  /** What to do with a request, by its first line (`POST /worker/started HTTP/1.1`). Default: pass. */
  rule: Rule;
  /** Resolves with the first line of the next request that fits. */
  next(pattern: RegExp): Promise<string>;
  /** Lets everything go on that was held. */
  release(): void;
}

/** `hold`: neither request nor answer passes until `release`. `mute`: the answer alone is held. */
export type Rule = (firstLine: string) => "pass" | "hold" | "mute";

export async function openGate(options: { readonly port: number }): Promise<Gate> {
  const sockets = new Set<net.Socket>();
  const held: (() => void)[] = [];
  let watchers: { readonly pattern: RegExp; readonly tell: (line: string) => void }[] = [];

  const see = (line: string): void => {
    const [told, kept] = [true, false].map((fits) =>
      watchers.filter(({ pattern }) => pattern.test(line) === fits),
    );
    watchers = kept ?? [];
    for (const { tell } of told ?? []) tell(line);
  };

  const join = (near: net.Socket): void => {
    const far = net.connect(options.port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => sockets.delete(socket));
    }
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
    // One request at a time is on a connection of ours, so what follows an answer is the next one.
    near.on("data", (chunk: Buffer) => {
      const line = /^(?:GET|POST) \S+ HTTP\/1\.1/.exec(chunk.toString("latin1"))?.[0];
      const verdict = line === undefined ? "pass" : gate.rule(line);
      if (verdict === "mute") {
        far.pause();
        held.push(() => far.resume());
      }
      if (verdict !== "hold") far.write(chunk);
      else {
        near.pause();
        held.push(() => {
          far.write(chunk);
          near.resume();
        });
      }
      if (line !== undefined) see(line);
    });
    far.on("data", (chunk: Buffer) => near.write(chunk));
  };

  const server = net.createServer(join);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const gate: Gate = {
    url: `http://127.0.0.1:${port}`,
    rule: () => "pass",
    next: (pattern) => new Promise((tell) => watchers.push({ pattern, tell })),
    release() {
      for (const go of held.splice(0)) go();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return gate;
}
