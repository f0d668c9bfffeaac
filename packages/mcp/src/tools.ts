// The verbs of the Task API as MCP tools. Each says on which computer it ran.

import type {
  CallToolResult,
  McpServer,
  ServerContext,
  ToolAnnotations,
} from "@modelcontextprotocol/server";
import type { TaskRequest } from "@openclaw-worker/client";
import type { z } from "zod";
import { inputs, taskOutput, tasksOutput, workersOutput, type TaskOutput } from "./words.ts";
import { deliver, look, outputOf, textOf, waiting, type Call, type Desk } from "./wait.ts";

const readOnly: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };
const changes: ToolAnnotations = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: false,
};

interface TaskTool<Input> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodType<Input>;
  readonly annotations: ToolAnnotations;
  readonly request: (input: Input) => TaskRequest;
}

interface Where {
  readonly worker?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly reason?: string | undefined;
}

const policy =
  "The computer's own policy decides; a refusal says which rule and what its owner can do. " +
  "Do not try to get around a refusal: tell the user.";

/** Gives the server all tools. */
export function addTools(server: McpServer, desk: Desk): void {
  const add = <Input extends Where>(tool: TaskTool<Input>): void => addTaskTool(server, desk, tool);
  add({
    name: "run",
    title: "Run a shell command",
    description: `Runs a shell command on the user's own computer, in a cage, and gives its output and exit code. ${policy}`,
    input: inputs.run,
    annotations: { ...changes, openWorldHint: true },
    request: ({ command, cwd, stdin }) => ({
      kind: "command",
      command,
      ...(cwd === undefined ? {} : { cwd }),
      ...(stdin === undefined ? {} : { stdin }),
    }),
  });
  add({
    name: "read_file",
    title: "Read a file",
    description: `Reads a file of the user's own computer; base64 when it is not UTF-8. ${policy}`,
    input: inputs.read,
    annotations: readOnly,
    request: ({ path }) => ({ kind: "file-read", path }),
  });
  add({
    name: "list_folder",
    title: "List a folder",
    description: `Lists a folder of the user's own computer: one JSON object a line. ${policy}`,
    input: inputs.list,
    annotations: readOnly,
    request: ({ path }) => ({ kind: "file-list", path }),
  });
  add({
    name: "write_file",
    title: "Write a file",
    description: `Writes a whole file on the user's own computer, atomically, with its folders. ${policy}`,
    input: inputs.write,
    annotations: { ...changes, idempotentHint: true },
    request: ({ path, content, encoding }) => ({
      kind: "file-write",
      path,
      content,
      ...(encoding === undefined ? {} : { encoding }),
    }),
  });
  add({
    name: "edit_file",
    title: "Replace text in a file",
    description: `Replaces text in a file of the user's own computer, literally. ${policy}`,
    input: inputs.edit,
    annotations: changes,
    request: ({ path, oldString, newString, replaceAll }) => ({
      kind: "file-edit",
      path,
      oldString,
      newString,
      ...(replaceAll === undefined ? {} : { replaceAll }),
    }),
  });
  addLooks(server, desk);
}

function addTaskTool<Input extends Where>(
  server: McpServer,
  desk: Desk,
  tool: TaskTool<Input>,
): void {
  const { name, title, description, annotations, input: inputSchema } = tool;
  const config = { title, description, inputSchema, outputSchema: taskOutput, annotations };
  server.registerTool(name, config, async (given, context) => {
    const input = inputSchema.parse(given);
    const { worker, timeoutMs, waitMs } = input;
    const request = {
      ...tool.request(input),
      ...(worker === undefined ? {} : { worker }),
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
      ...(input.reason === undefined ? {} : { reason: input.reason }),
    };
    return answer(await deliver(desk, request, { ...callOf(context), waitMs }));
  });
}

/** Tools that look at tasks and computers. */
function addLooks(server: McpServer, desk: Desk): void {
  const { client } = desk;
  server.registerTool(
    "task",
    {
      title: "Look at a task",
      description: "How a task stands, or its result; waits for its end when asked to.",
      inputSchema: inputs.task,
      outputSchema: taskOutput,
      annotations: readOnly,
    },
    async ({ taskId, waitMs = 0 }, context) => {
      const view = await look(desk, taskId, { ...callOf(context), waitMs });
      const output =
        view.state === "finished" ? outputOf(view.result) : waiting(taskId, view, true);
      return answer(output);
    },
  );
  server.registerTool(
    "cancel_task",
    {
      title: "End a task",
      description: "Ends a task: one that waits at once, one that runs through its computer.",
      inputSchema: inputs.cancel,
      outputSchema: taskOutput,
      annotations: { ...changes, idempotentHint: true },
    },
    async ({ taskId }, context) => {
      const { status, message } = await client.cancel(taskId, context.mcpReq.signal);
      return structured({ taskId, status, message }, message);
    },
  );
  server.registerTool(
    "tasks",
    {
      title: "List tasks",
      description: "The newest tasks, newest first.",
      inputSchema: inputs.tasks,
      outputSchema: tasksOutput,
      annotations: readOnly,
    },
    async (query, context) => {
      const { status, worker, limit = 20 } = query;
      const wanted = {
        limit,
        ...(status === undefined ? {} : { status }),
        ...(worker === undefined ? {} : { worker }),
      };
      const list = await client.list(wanted, context.mcpReq.signal);
      const tasks = list.tasks.map(
        ({ taskId, kind, status: state, outcome, worker: on, createdAt, summary }) => ({
          taskId,
          kind,
          status: state,
          outcome,
          worker: on,
          createdAt,
          summary,
        }),
      );
      return structured({ tasks }, JSON.stringify(tasks, null, 2));
    },
  );
  server.registerTool(
    "workers",
    {
      title: "Which computers are there",
      description: "The user's computers that are known, and whether they are connected.",
      inputSchema: inputs.none,
      outputSchema: workersOutput,
      annotations: readOnly,
    },
    async (_none, context) => {
      const all = await client.workers(context.mcpReq.signal);
      const workers = all.map(({ name, state, labels, platform, running, slots }) => ({
        name,
        state,
        labels,
        platform,
        running,
        slots,
      }));
      return structured({ workers }, JSON.stringify(workers, null, 2));
    },
  );
}

/** A task that did not do what was asked is an error for the model, with its output. */
function answer(output: TaskOutput): CallToolResult {
  const isError = output.outcome !== undefined && output.status === "failed";
  return { ...structured(output, textOf(output)), isError };
}

function structured(content: Record<string, unknown>, text: string): CallToolResult {
  return { content: [{ type: "text", text }], structuredContent: content };
}

function callOf({ mcpReq }: ServerContext): Call {
  const token = mcpReq._meta?.progressToken;
  return {
    signal: mcpReq.signal,
    progress(elapsedMs, message) {
      if (token === undefined) return;
      const params = { progressToken: token, progress: Math.round(elapsedMs / 1000), message };
      // A client that has gone away is told nothing more.
      void mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
    },
  };
}
