// What the store keeps of the workers' audit logs. It does not judge them.

/** The witness's memory of one worker's log. */
export interface WitnessRecord {
  /** Counts the changes of this record: a change names the one that it is based on. */
  readonly version: number;
  /** What the witness knows, as JSON text; null before the first copy. */
  readonly known: string | null;
  /** What did not fit first, and when it was seen. */
  readonly alarm: Alarm | null;
}

export interface Alarm {
  readonly text: string;
  readonly at: number;
  /** The signed head that does not fit, as JSON text. */
  readonly evidence: string | null;
}

export interface WitnessChange {
  readonly worker: string;
  /** Version of the record that was judged; 0 when there was none. */
  readonly version: number;
  /** Null: what is known stays as it is. */
  readonly known: string | null;
  /** Entries from `from` on, and the tree's nodes that they complete, from place `nodesFrom` on. */
  readonly from: number;
  readonly entries: readonly string[];
  readonly nodesFrom: number;
  readonly nodes: readonly Uint8Array[];
  /** An alarm that was raised before stays. */
  readonly alarm: Omit<Alarm, "at"> | null;
  readonly at: number;
}
