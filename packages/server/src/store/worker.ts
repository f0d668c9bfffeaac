/** What is kept of a worker: how it introduced itself last. */
export interface WorkerRecord {
  readonly name: string;
  readonly instance: string;
  readonly labels: readonly string[];
  readonly version: string | null;
  readonly platform: string | null;
  readonly slots: number | null;
  readonly policyDigest: string | null;
  /** `ssh-ed25519 …`, as it was told first: another one later does not replace it. */
  readonly publicKey: string | null;
  readonly lastSeenAt: number;
}
