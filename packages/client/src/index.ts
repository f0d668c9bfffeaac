export { createClient, type Client, type ClientOptions, type WaitOptions } from "./client.ts";
export { ClientError, type ClientErrorCode } from "./failure.ts";
export type {
  AcceptedTask,
  CancelAnswer,
  Health,
  TaskList,
  TaskSummary,
  TaskView,
} from "./answers.ts";
export type { ApprovalList, ResumeAnswer, StopAnswer } from "./oversight.ts";
export type {
  ApprovalQuery,
  AuditQuery,
  Choice,
  ListQuery,
  OldRoute,
  QueueOptions,
  ResumeChoice,
  TaskRequest,
} from "./requests.ts";
