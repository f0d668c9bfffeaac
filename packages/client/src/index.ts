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
export type { ListQuery, OldRoute, QueueOptions, TaskRequest } from "./requests.ts";
