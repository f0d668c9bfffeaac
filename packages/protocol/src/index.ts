export { canonicalJson } from "./canonical.ts";
export { nameSchema, newTaskId, parseTaskId, taskIdSchema, type TaskId } from "./ids.ts";
export { limits } from "./limits.ts";
export {
  Problem,
  problemBody,
  problems,
  problemSchema,
  type ProblemBody,
  type ProblemCode,
  type ProblemOptions,
} from "./problem.ts";
export {
  exitSentence,
  outcomeOf,
  reportOf,
  reportSchema,
  resultSchema,
  toResult,
  truncatedSchema,
  type Report,
  type Result,
  type Truncated,
} from "./result.ts";
export {
  cloudLabel,
  satisfies,
  selectorOf,
  workerOf,
  type Claimant,
  type Target,
} from "./selector.ts";
export {
  exitCodeOf,
  moves,
  outcomeSchema,
  phaseSchema,
  statusOf,
  statusSchema,
  type Move,
  type Outcome,
  type Phase,
  type State,
  type Status,
} from "./state.ts";
export {
  acceptedSchema,
  commandRequestSchema,
  editRequestSchema,
  kindRequestSchema,
  promptRequestSchema,
  readRequestSchema,
  submission,
  timeoutMsOf,
  writeRequestSchema,
  type Accepted,
  type QueueFields,
  type Submission,
} from "./submit.ts";
export {
  defaultTimeoutMs,
  kinds,
  sessionOf,
  specSchema,
  taskSchema,
  type Kind,
  type Spec,
  type Task,
} from "./task.ts";
export { version } from "./version.ts";
export { toWireTask, type WireTask } from "./wire.ts";
export {
  beatAnswerSchema,
  beatSchema,
  giveBackSchema,
  heldSchema,
  introductionSchema,
  pollAnswerSchema,
  pollQuerySchema,
  presenceSchema,
  settleSchema,
  startedSchema,
  workerEventSchema,
  type Beat,
  type BeatAnswer,
  type GiveBack,
  type Held,
  type Introduction,
  type PollAnswer,
  type PollQuery,
  type Presence,
  type Settle,
  type Started,
  type WorkerEvent,
} from "./worker.ts";
