// Every limit that both ends share, unit last. A limit that is reached is reported, never silent.

export const limits = {
  /** Largest request body; larger outputs and files travel in parts. */
  bodyBytes: 33_554_432,
  /** `timeout` of a task: running time, not waiting. */
  timeoutMsMin: 1_000,
  timeoutMsMax: 86_400_000,
  commandTimeoutMs: 30_000,
  fileTimeoutMs: 30_000,
  claudeTimeoutMs: 120_000,
  agentTimeoutMs: 300_000,
  /** Longest wait of a reader (`GET /tasks/:id?wait=`). */
  readWaitMsMax: 600_000,
  /** A silent answer is cut by common proxies at 60 s: a space is sent this often before the JSON. */
  keepAliveMs: 15_000,
  /** Longest hold of a worker's poll, and the hold of a poll that names none. */
  pollHoldMsMax: 50_000,
  pollHoldMsDefault: 5_000,
  /** How long our own worker asks a poll to be held: a vanished worker is known within 30 s. */
  workerPollMs: 25_000,
  /** A claimed task belongs to its worker this long without a beat; beats come three a lease. */
  leaseMs: 30_000,
  beatMs: 10_000,
  /** An old worker cannot renew a lease: it gets the task's timeout and this grace. */
  oldWorkerGraceMs: 60_000,
  /** Delivery clock: a task that nobody took by then expires. */
  ttlMsDefault: 86_400_000,
  ttlMsMax: 2_592_000_000,
  /** Finished tasks and their results are kept this long. */
  retentionMs: 604_800_000,
  priorityMin: -100,
  priorityMax: 100,
  /** Unfinished tasks in one queue. */
  queuedTasksMax: 200_000,
  /** Requests that may wait at once on one server. */
  parkedRequestsMax: 50_000,
  labelsMax: 32,
  nameBytesMax: 64,
  /** Characters of a submitter's `reason`. */
  reasonMax: 2_000,
  /** Body of one `ask`: what a person is shown must be small enough to be read. */
  askBytes: 262_144,
  /** Approvals of one task, open and closed; and those of one worker that wait at once. */
  approvalsPerTaskMax: 1_000,
  approvalsWaitingMax: 200,
  /** Decisions on their way for one approval, resumes for one worker. */
  envelopesMax: 8,
  /** The server's own log of API actions: newest entries that are kept. */
  actionsKept: 1_000_000,
  /** Body of one copy of a worker's audit log. */
  auditCopyBytes: 4_194_304,
  argvMax: 4_096,
  envMax: 256,
  eventsKept: 10_000,
  eventsListMax: 500,
  listMax: 200,
  /** Head and tail of each output stream that are kept with a task, together. */
  outputKeptBytes: 4_194_304,
  /** A task that prints more than this is ended. */
  outputKillBytes: 2_147_483_648,
  /** Largest file that is read or written as one task. */
  fileBytes: 20_971_520,
} as const;
