// Cages with network, each with a gateway of its own. The next one of the kind that was used last is
// built ahead, because a gateway takes some hundred milliseconds to start.

import { messageOf, type Clock, type Log, type Timer } from "@openclaw-worker/base";
import type { Cage } from "../../job.ts";
import type { Blueprints } from "../blueprint.ts";
import { discard, startCage, type LiveCage } from "../cage.ts";
import { findTool } from "../folders.ts";
import type { StreamFolder } from "../streams.ts";
import { aptRemedy, CageUnavailable } from "../unavailable.ts";
import { sweepGateways } from "./folder.ts";
import { openGateway, type Gateway, type Refused } from "./gateway.ts";
import { exportLines, proxyVariables, withRelay } from "./splice.ts";

export interface NetworkOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly blueprints: Pick<Blueprints, "argvFor" | "stateOf">;
  readonly streams: StreamFolder;
  /** The worker's 0700 state folder. */
  readonly stateDir: string;
  /** Absolute real paths that a gateway need not see. */
  readonly hidden: readonly string[];
}

export interface Network extends AsyncDisposable {
  /** The supply of cages for one task. */
  forTask(): NetworkTask;
}

export interface NetworkTask {
  /** Builds, or finds ready, a cage that reaches `cage.domains`. Rejects as the pool's does. */
  take(cage: Cage, signal: AbortSignal): Promise<LiveCage>;
  /** The task has ended: now is the time to build the next. */
  refill(): void;
  /** The names that it tried to reach and was not let through to. */
  refused(): readonly Refused[];
}

/** The same cage without its domains. */
export function offline(cage: Cage): Cage {
  const { domains: _, ...rest } = cage;
  return rest;
}

/** How long a cage that nobody uses is kept ready. */
const idleMs = 600_000;

/** Also clears away what gateways of an earlier worker left. */
export function openNetwork(options: NetworkOptions): Network {
  sweepGateways(options.stateDir);
  return new Gateways(options);
}

interface Built {
  readonly cage: LiveCage;
  readonly gateway: Gateway;
  /** What it depends on, as text. */
  readonly state: string;
}

interface Ahead {
  readonly key: string;
  readonly built: Promise<Built | null>;
  readonly idle: Timer;
}

class Gateways implements Network {
  readonly #options: NetworkOptions;
  readonly #closing = new AbortController();
  readonly #open = new Set<Gateway>();
  readonly #building = new Set<Promise<unknown>>();
  #ahead: Ahead | null = null;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  forTask(): NetworkTask {
    let used: { readonly wanted: Cage; readonly gateway: Gateway } | null = null;
    return {
      take: async (wanted, signal) => {
        const { cage, gateway } = await this.#take(wanted, signal);
        used = { wanted, gateway };
        return cage;
      },
      refill: () => {
        if (used !== null) this.#prepare(used.wanted);
      },
      refused: () => used?.gateway.refused() ?? [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the network is closed"));
    this.#drop();
    await Promise.allSettled(this.#building);
    const open = [...this.#open];
    for (const gateway of open) gateway.close();
    await Promise.all(open.map(({ ended }) => ended));
  }

  async #take(wanted: Cage, signal: AbortSignal): Promise<Built> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    either.throwIfAborted();
    const ahead = this.#ahead;
    if (ahead?.key === JSON.stringify(wanted)) {
      this.#ahead = null;
      ahead.idle.cancel();
      const built = await ahead.built;
      if (built !== null && this.#isGood(built, wanted)) return built;
      if (built !== null) end(built);
    }
    return await this.#build(wanted, either);
  }

  /** Neither has the disk changed since, nor has it ended meanwhile. */
  #isGood({ gateway, state }: Built, wanted: Cage): boolean {
    return this.#open.has(gateway) && this.#options.blueprints.stateOf(offline(wanted)) === state;
  }

  #prepare(wanted: Cage): void {
    const key = JSON.stringify(wanted);
    if (this.#closing.signal.aborted || this.#ahead?.key === key) return;
    this.#drop();
    const built = this.#build(wanted, this.#closing.signal).catch((thrown: unknown) => {
      if (this.#closing.signal.aborted) return null;
      const reason = messageOf(thrown);
      this.#options.log.warn("no cage with network could be kept ready", { reason });
      return null;
    });
    this.#ahead = { key, built, idle: this.#options.clock.after(idleMs, () => this.#drop()) };
  }

  #drop(): void {
    const ahead = this.#ahead;
    this.#ahead = null;
    ahead?.idle.cancel();
    void ahead?.built.then((built) => {
      if (built !== null) end(built);
    });
  }

  #build(wanted: Cage, signal: AbortSignal): Promise<Built> {
    const building = this.#buildOne(wanted, signal);
    this.#building.add(building);
    void Promise.allSettled([building]).then(() => this.#building.delete(building));
    return building;
  }

  async #buildOne(wanted: Cage, signal: AbortSignal): Promise<Built> {
    const { blueprints } = this.#options;
    const { domains = [] } = wanted;
    const state = blueprints.stateOf(offline(wanted));
    const argv = await blueprints.argvFor(offline(wanted), signal);
    const gateway = await openGateway({ ...this.#options, domains, signal });
    this.#open.add(gateway);
    void gateway.ended.then(() => this.#open.delete(gateway));
    try {
      const through = withRelay(argv, gateway.socket, socatPath());
      const inner = await startCage({ ...this.#options, argv: through, signal });
      void inner.exited.then(gateway.close);
      return { cage: withProxy(inner, { gateway, domains }), gateway, state };
    } catch (thrown) {
      gateway.close();
      throw thrown;
    }
  }
}

function end({ cage, gateway }: Built): void {
  discard(cage);
  gateway.close();
}

interface Proxy {
  readonly gateway: Gateway;
  readonly domains: readonly string[];
}

/** The proxy's password goes with the task: as an argument, every user of the computer could read it. */
function withProxy(cage: LiveCage, { gateway, domains }: Proxy): LiveCage {
  const lines = exportLines(proxyVariables(gateway.token, domains));
  return { ...cage, handOver: (script, stdin) => cage.handOver(`${lines}${script}`, stdin) };
}

function socatPath(): string {
  const path = findTool("socat");
  if (path === null) throw new CageUnavailable("The program socat is missing", aptRemedy);
  return path;
}
