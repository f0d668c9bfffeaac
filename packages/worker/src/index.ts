export {
  isToken,
  nameFrom,
  readConfig,
  type ConfigRead,
  type ConfigSource,
  type WorkerConfig,
} from "./config.ts";
export { resolveLoginEnvironment } from "./environment.ts";
export type { Cage, Job, Placed, RunnableKind } from "./job.ts";
export {
  runWorker,
  type Host,
  type OpenedRunner,
  type OpenRunner,
  type RunnerNeeds,
} from "./main.ts";
export { place, type Ground, type Placement } from "./place.ts";
export { conclude, decide, questionOf, type Decision, type Subject } from "./policy/decide.ts";
export { judge, type Judgement } from "./policy/judge.ts";
export { JsonProblem, type Position } from "./policy/jsonc.ts";
export {
  loadPolicy,
  policyOf,
  type Policy,
  type PolicyLoad,
  type PolicyOptions,
} from "./policy/load.ts";
export { policyNotes } from "./policy/notes.ts";
export { parsePolicy, type Wish } from "./policy/parse.ts";
export type { Question } from "./policy/question.ts";
export {
  checkRoot,
  rootProblem,
  surroundingsOf,
  type Root,
  type Surroundings,
} from "./policy/roots.ts";
export { policyJsonSchema } from "./policy/schema.ts";
export { policyTemplate } from "./policy/template.ts";
export { openRunner } from "./run/runner.ts";
export { CageUnavailable } from "./sandbox/unavailable.ts";
export { lockFolder, preparePrivateFolder, readSecret } from "./state.ts";
export {
  emptyRing,
  enrollKey,
  loadKeyRing,
  revokeKey,
  saveKeyRing,
  type EnrolledKey,
  type KeyRing,
  type KeyRole,
  type RingChange,
} from "./keys.ts";
export { openLocal, type Local } from "./approval/local-client.ts";
export type { LocalApproval, LocalGrant, LocalStatus, LocalView } from "./approval/wire.ts";
export { createRedactor } from "./output/redact.ts";
export { policyFor } from "./approval/submitter.ts";
