import { createLog, messageOf, systemClock, type Clock, type Log } from "@openclaw-worker/base";
import { limits, version } from "@openclaw-worker/protocol";
import { createApp } from "./app.ts";
import { ConfigError, readConfig, type Config, type Environment } from "./config.ts";
import { createGuard } from "./guard.ts";
import { listen } from "./listen.ts";
import { openQueue } from "./queue/queue.ts";
import { keptToken, ownFile, prepareStateDir } from "./state.ts";
import { shownAddress } from "./store/redis/address.ts";
import { openRedisStore } from "./store/redis/store.ts";
import { StoreRefused } from "./store/refused.ts";
import { openSqliteStore } from "./store/sqlite/store.ts";
import type { Store } from "./store/store.ts";

/** What the entry file sees of the process, handed in. */
export interface ServerHost {
  readonly env: Environment;
  readonly stdout: (line: string) => void;
  readonly stderr: (line: string) => void;
  /** Aborted: finish what is under way, answer everybody who waits, end. */
  readonly signal: AbortSignal;
  readonly uid: number;
  readonly home: string;
}

/** Exit code for a setting that must be changed first; the worker has the same. */
const configurationExit = 2;

/** Of several processes, one that stops answers this long before it closes its connections. */
const drainMs = 500;

/**
 * Runs the Task API until the host's signal is aborted.
 * @returns the exit code: 0 after a clean stop, 2 for wrong configuration, 1 when it cannot run
 */
export async function runServer(host: ServerHost): Promise<number> {
  const clock = systemClock();
  try {
    if (host.uid === 0) {
      throw new ConfigError(
        "The server never runs as root. Start it as another user; `openclaw-worker server` as root changes to one by itself.",
      );
    }
    const config = readConfig(host.env, host.home);
    prepareStateDir(config.stateDir, host.uid);
    const log = createLog({
      clock,
      level: "info",
      format: config.logFormat,
      write: (line) => host.stderr(line.trimEnd()),
    });
    await serve(host, config, { clock, log });
    return 0;
  } catch (error) {
    host.stderr(`openclaw-worker server: ${messageOf(error)}`);
    const isTheirs = error instanceof ConfigError || error instanceof StoreRefused;
    return isTheirs ? configurationExit : 1;
  }
}

async function openStore(config: Config, parts: { clock: Clock; log: Log }): Promise<Store> {
  const { stateDir, store, leaseMs } = config;
  if (store.url === null) return openSqliteStore(ownFile(`${stateDir}/tasks.db`));
  return openRedisStore({ ...parts, url: store.url, unchecked: store.unchecked, leaseMs });
}

async function serve(
  host: ServerHost,
  config: Config,
  { clock, log }: { clock: Clock; log: Log },
): Promise<void> {
  const kept = config.token === null ? keptToken(config.stateDir) : null;
  const token = config.token ?? kept?.token ?? "";
  const { approveToken } = config;
  if (approveToken === token)
    throw new ConfigError("APPROVE_TOKEN must differ from the token in the state folder.");
  // Closed also when the queue could not be opened; closed twice it is no harm.
  await using store = await openStore(config, { clock, log });
  await using queue = await openQueue({
    store,
    clock,
    log,
    leaseMs: config.leaseMs,
    retentionMs: limits.retentionMs,
    queuedTasksMax: limits.queuedTasksMax,
    parkedRequestsMax: limits.parkedRequestsMax,
  });
  const app = await createApp({
    queue,
    store,
    clock,
    log,
    guard: createGuard(token, approveToken),
    chat: config.chat,
  });
  const listening = await listen(app, config, clock);

  host.stdout(`OpenClaw Worker Task API v${version}`);
  if (kept !== null) {
    host.stdout(
      kept.isNew
        ? `Token (shown once, kept in ${kept.file}): ${kept.token}`
        : `Token: in ${kept.file}`,
    );
  }
  host.stdout(`State: ${config.stateDir}`);
  if (config.store.url !== null) host.stdout(`Store: ${shownAddress(config.store.url)}`);
  host.stdout(`Listening on ${listening.address}`);

  if (!host.signal.aborted) {
    await new Promise((resolve) => host.signal.addEventListener("abort", resolve, { once: true }));
  }
  log.info("stopping");
  queue.stop();
  // Others serve meanwhile: whoever kept a connection here hears with its next answer to leave it.
  if (store.shared !== null) await clock.sleep(drainMs);
  await listening.close();
}
