// What was promised, checked against what was seen. Pure: a history of requests and answers, the
// ledgers of what ran, and how every task stands at the end go in; what must not happen comes out.
//
// A `proof` is a text that one run of one task made up and reported as its output. A `marker` names
// one submit, whatever ids it got.

export type Event =
  /** A submit was answered: the task is accepted. */
  | { readonly kind: "accepted"; readonly marker: string; readonly taskId: string }
  /** A run of the task began. */
  | {
      readonly kind: "began";
      readonly taskId: string;
      readonly worker: string;
      readonly proof: string;
    }
  /** The server confirmed that it keeps the result of this run. */
  | { readonly kind: "confirmed"; readonly taskId: string; readonly proof: string }
  /** Somebody read a finished result. */
  | {
      readonly kind: "read";
      readonly taskId: string;
      readonly outcome: string;
      readonly proof: string;
    };

/** A task as the server shows it when everything is over. */
export interface Standing {
  readonly marker: string;
  readonly taskId: string;
  /** Null: it has not ended. */
  readonly ending: { readonly outcome: string; readonly proof: string } | null;
}

export interface History {
  /** In the order in which they were seen. */
  readonly events: readonly Event[];
  readonly standings: readonly Standing[];
  /** Workers that lived to the end and could deliver everything. */
  readonly faithful: readonly string[];
}

export type Rule =
  | "accepted task is gone"
  | "task never ended"
  | "one submit made two tasks"
  | "two submits share a task"
  | "task ran twice"
  | "confirmed result is gone"
  | "run of a living worker is gone"
  | "result changed"
  | "result without a run"
  | "strange ending";

export interface Violation {
  readonly rule: Rule;
  /** The task, or the marker of a submit. */
  readonly of: string;
}

/** Everything that breaks a promise; empty when all were kept. */
export function violations(history: History): readonly Violation[] {
  const found = [
    ...goneOrEndless(history),
    ...doubled(history),
    ...ranTwice(history),
    ...lostResults(history),
    ...changedResults(history),
    ...strangeEndings(history),
  ];
  return found;
}

function goneOrEndless({ events, standings }: History): readonly Violation[] {
  const known = new Set(standings.map(({ taskId }) => taskId));
  return [
    ...ofKind(events, "accepted")
      .filter(({ taskId }) => !known.has(taskId))
      .map(({ taskId }) => broken("accepted task is gone", taskId)),
    ...standings
      .filter(({ ending }) => ending === null)
      .map(({ taskId }) => broken("task never ended", taskId)),
  ];
}

function doubled({ events, standings }: History): readonly Violation[] {
  const accepted = ofKind(events, "accepted");
  const idsOf = grouped([...accepted, ...standings], ({ marker }) => marker);
  const markersOf = grouped([...accepted, ...standings], ({ taskId }) => taskId);
  return [
    ...[...idsOf]
      .filter(([, group]) => new Set(group.map(({ taskId }) => taskId)).size > 1)
      .map(([marker]) => broken("one submit made two tasks", marker)),
    ...[...markersOf]
      .filter(([, group]) => new Set(group.map(({ marker }) => marker)).size > 1)
      .map(([taskId]) => broken("two submits share a task", taskId)),
  ];
}

function ranTwice({ events }: History): readonly Violation[] {
  return [...grouped(ofKind(events, "began"), ({ taskId }) => taskId)]
    .filter(([, runs]) => runs.length > 1)
    .map(([taskId]) => broken("task ran twice", taskId));
}

function lostResults({ events, standings, faithful }: History): readonly Violation[] {
  const proofOf = new Map(standings.map(({ taskId, ending }) => [taskId, ending?.proof]));
  return [
    ...ofKind(events, "confirmed")
      .filter(({ taskId, proof }) => proofOf.get(taskId) !== proof)
      .map(({ taskId }) => broken("confirmed result is gone", taskId)),
    ...ofKind(events, "began")
      .filter(({ worker }) => faithful.includes(worker))
      .filter(({ taskId, proof }) => proofOf.get(taskId) !== proof)
      .map(({ taskId }) => broken("run of a living worker is gone", taskId)),
  ];
}

// A result, once read, is the result for good; only `lost` may be replaced by what came late.
function changedResults({ events, standings }: History): readonly Violation[] {
  const last = standings.flatMap(({ taskId, ending }) =>
    ending === null ? [] : [{ kind: "read" as const, taskId, ...ending }],
  );
  const reads = grouped([...ofKind(events, "read"), ...last], ({ taskId }) => taskId);
  return [...reads]
    .filter(([, seen]) => {
      const settled = seen.findIndex(({ outcome }) => outcome !== "lost");
      const words = seen.slice(Math.max(settled, 0)).map((one) => `${one.outcome} ${one.proof}`);
      return new Set(words).size > 1;
    })
    .map(([taskId]) => broken("result changed", taskId));
}

function strangeEndings({ events, standings }: History): readonly Violation[] {
  const proofs = new Set(ofKind(events, "began").map(({ taskId, proof }) => `${taskId} ${proof}`));
  return standings.flatMap(({ taskId, ending }) => {
    if (ending === null || ending.outcome === "lost") return [];
    if (ending.outcome !== "done") return [broken("strange ending", taskId)];
    if (proofs.has(`${taskId} ${ending.proof}`)) return [];
    return [broken("result without a run", taskId)];
  });
}

function broken(rule: Rule, of: string): Violation {
  return { rule, of };
}

function ofKind<K extends Event["kind"]>(
  events: readonly Event[],
  kind: K,
): readonly Extract<Event, { readonly kind: K }>[] {
  return events.filter(
    (event): event is Extract<Event, { readonly kind: K }> => event.kind === kind,
  );
}

function grouped<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
): ReadonlyMap<string, readonly T[]> {
  return Map.groupBy(items, keyOf);
}
