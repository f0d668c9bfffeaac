// Starts a gateway and waits until it listens.
//
// Its process lives in a PID namespace of its own, which bubblewrap keeps: whoever is killed first,
// the gateway, bubblewrap or the worker, the library's bridge programs die with them. It sees the
// disk read-only and the worker's state not at all: it reads what strangers send.

import { extname, join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import { findTool, kindOf } from "../folders.ts";
import { buildMs } from "../launcher.ts";
import { spawnGateway, type Gateway as Child } from "../outside.ts";
import { isWithin } from "../path.ts";
import { aptRemedy, CageUnavailable, remedyFor } from "../unavailable.ts";
import { newsSchema, type News, type Order } from "./config.ts";
import { openSocketFolder } from "./folder.ts";

/** A name that was refused, and why, in words. */
export interface Refused {
  readonly host: string;
  readonly why: string;
}

export interface Gateway {
  /** Absolute path of the socket that leads out. */
  readonly socket: string;
  /** What a client of the proxy must know. */
  readonly token: string;
  readonly refused: () => readonly Refused[];
  /** Resolves when it has ended, by itself or not. */
  readonly ended: Promise<void>;
  readonly close: () => void;
}

export interface GatewayOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
  /** Absolute real paths that it need not see. */
  readonly hidden: readonly string[];
  readonly domains: readonly string[];
  readonly signal: AbortSignal;
}

/** Throws CageUnavailable when it does not listen, or the signal's reason. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { clock, signal, stateDir } = options;
  signal.throwIfAborted();
  const tools = findTools();
  const folder = openSocketFolder(stateDir);
  const child = spawnGateway(
    [tools.bwrap, ...enclosure(folder.path, options.hidden), "--", execPath, program],
    { PATH: "/usr/bin:/bin", TMPDIR: folder.path },
  );
  const ended = child.exited.then(() => folder[Symbol.dispose]());
  const news = listen(child, options.log);
  const order: Order = { domains: [...options.domains], tools };
  child.input.write(`${JSON.stringify(order)}\n`);
  // It ends by itself at the end of its input, also while bubblewrap is still building, when a
  // signal would leave half of bubblewrap behind.
  const hangUp = (): void => void child.input.end();
  using _limit = clock.after(buildMs, hangUp);
  signal.addEventListener("abort", hangUp, { once: true });
  if (signal.aborted) hangUp();
  const first = await news.first;
  signal.removeEventListener("abort", hangUp);
  if (first.kind === "ready" && !signal.aborted) {
    const close = (): void => {
      hangUp();
      child.kill();
    };
    return { socket: first.socket, token: first.token, refused: news.refused, ended, close };
  }
  hangUp();
  await ended;
  signal.throwIfAborted();
  const why = first.kind === "failed" ? first.why : "it ended or took too long";
  throw new CageUnavailable(`The network of the cage could not be opened: ${why}`, remedyFor(why));
}

const program = join(import.meta.dirname, `main${extname(import.meta.filename)}`);

function enclosure(folder: string, hidden: readonly string[]): readonly string[] {
  const needed = [execPath, program];
  const closed = hidden
    .filter((path) => kindOf(path) === "folder" && !needed.some((file) => isWithin(file, path)))
    .toSorted((left, right) => left.length - right.length);
  const options: readonly (readonly string[])[] = [
    ["--die-with-parent", "--new-session"],
    ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"],
    ["--cap-drop", "ALL"],
    ["--ro-bind", "/", "/"],
    ["--dev", "/dev"],
    ["--proc", "/proc"],
    ...closed.map((path) => ["--tmpfs", path]),
    ["--bind", folder, folder],
  ];
  return options.flat();
}

function findTools(): Order["tools"] {
  const need = (name: string): string => {
    const path = findTool(name);
    if (path === null) throw new CageUnavailable(`The program ${name} is missing`, aptRemedy);
    return path;
  };
  return { bwrap: need("bwrap"), socat: need("socat"), ripgrep: need("rg") };
}

const errorCharactersMax = 4_096;

function listen(child: Child, log: Log) {
  const refused: Refused[] = [];
  const { promise: first, resolve } = Promise.withResolvers<News>();
  let errors = "";
  child.errors.on("data", (chunk: Buffer) => {
    if (errors.length < errorCharactersMax) errors += chunk.toString("utf8");
  });
  const lines = createInterface({ input: child.output });
  lines.on("line", (line) => {
    const news = newsOf(line);
    if (news?.kind === "refused") refused.push({ host: news.host, why: news.why });
    else if (news !== null) resolve(news);
    else log.warn("the network gateway said something that is not understood");
  });
  void child.exited.then(() => resolve({ kind: "failed", why: errors.trim() }));
  return { first, refused: (): readonly Refused[] => refused };
}

function newsOf(line: string): News | null {
  try {
    return newsSchema.parse(JSON.parse(line));
  } catch (thrown) {
    return { kind: "failed", why: messageOf(thrown) };
  }
}
