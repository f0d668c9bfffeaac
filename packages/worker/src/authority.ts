// Who may say what this worker does: the people whose keys it knows, the permissions they gave, and
// the stops in force. It is all kept on this computer, and opened before anything is taken.

import path from "node:path";
import { messageOf, type Clock, type Log } from "@openclaw-worker/base";
import type { PrivateKey } from "@openclaw-worker/protocol";
import { openApprovalStore, type ApprovalStore } from "./approval/store.ts";
import { keepKeys } from "./key-watch.ts";
import { emptyRing, keyFileStamp, loadKeyRing, type KeyRing } from "./keys.ts";
import type { Notes } from "./note.ts";
import { keepStops, type Stops } from "./stop.ts";

export interface Authority {
  readonly notes: Notes;
  /** The worker's own key: it signs what the worker says of itself. */
  readonly identity: PrivateKey;
  readonly keys: () => KeyRing;
  readonly store: ApprovalStore;
  readonly stops: Stops;
  /** The worker's state folder, 0700: the local socket is there. */
  readonly stateDir: string;
}

export interface AuthorityParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly notes: Notes;
  /** The worker's name. */
  readonly worker: string;
  readonly uid: number;
  /** Absolute paths: the folder that holds the policy, and the state folder in it. */
  readonly workerHome: string;
  readonly stateDir: string;
  readonly identity: PrivateKey;
  /** Calls back whenever a file may have changed; throws when it cannot be watched. */
  readonly watch: (file: string, changed: () => void) => Disposable;
}

export type AuthorityOpened =
  | { readonly kind: "authority"; readonly authority: Authority & Disposable }
  /** One sentence: what is wrong, and what to do. */
  | { readonly kind: "refused"; readonly because: string };

/** The key file beside the policy. */
export function keyFileIn(workerHome: string): string {
  return path.join(workerHome, "keys.json");
}

/** The file beside the policy that stops the worker by being there. */
export function stopFileIn(workerHome: string): string {
  return path.join(workerHome, "STOP");
}

/** Opens what an earlier process left. Never throws for what a person can mend. */
export function openAuthority(parts: AuthorityParts): AuthorityOpened {
  const { clock, log, notes, stateDir, watch } = parts;
  const keyFile = { file: keyFileIn(parts.workerHome), uid: parts.uid };
  const first = loadKeyRing(keyFile);
  if (first.kind === "refused") return first;
  const storeFile = path.join(stateDir, "approvals.sqlite");
  using opened = new DisposableStack();
  try {
    const store = opened.use(openApprovalStore(storeFile));
    const keys = opened.use(
      keepKeys({
        clock,
        log,
        notes,
        ring: first.kind === "ring" ? first.ring : emptyRing,
        load: () => loadKeyRing(keyFile),
        stamp: () => keyFileStamp(keyFile.file),
        watch: (changed) => watch(keyFile.file, changed),
        onChange: () => {},
      }),
    );
    const file = stopFileIn(parts.workerHome);
    const stops = opened.use(
      keepStops({
        clock,
        log,
        notes,
        stateDir,
        file,
        watchFile: (changed) => watch(file, changed),
        worker: parts.worker,
        keys: keys.current,
        spend: (nonce) => store.spend(nonce) === "fresh",
      }),
    );
    store.prune(clock.now());
    opened.use(clock.every(pruneMs, () => prune(store, { clock, log })));
    const held = opened.move();
    const { identity } = parts;
    const authority = { notes, identity, keys: keys.current, store, stops, stateDir };
    return {
      kind: "authority",
      authority: { ...authority, [Symbol.dispose]: () => held.dispose() },
    };
  } catch (thrown) {
    return {
      kind: "refused",
      because: `${storeFile} cannot be used (${messageOf(thrown)}), so it is not known which approvals were used: make room on the disk, or move it away, and every grant with it`,
    };
  }
}

const pruneMs = 3_600_000;

function prune(store: ApprovalStore, { clock, log }: Pick<AuthorityParts, "clock" | "log">): void {
  try {
    store.prune(clock.now());
  } catch (thrown) {
    log.warn(`used nonces are kept longer than needed: ${messageOf(thrown)}`);
  }
}
