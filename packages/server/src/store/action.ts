// The log of API actions: who changed what, from where. audit/chain.ts says how entries are linked.

/** Who is at the door: the name of a token, never the token, and the address it came from. */
export interface Actor {
  readonly name: string;
  readonly from: string;
}

/** What an actor did. Verbs that change something take one and keep it in the same transaction. */
export interface NewAction {
  readonly by: Actor;
  /** `task.submit`, `approval.decide`, … */
  readonly action: string;
  /** What it was done to: an id, a worker's name. */
  readonly target: string;
  readonly at: number;
}
