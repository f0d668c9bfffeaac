import { ResourceTemplate, type McpServer } from "@modelcontextprotocol/server";
import { outputOf, type Desk } from "./wait.ts";

const json = "application/json";

/** Tasks and computers as resources that a client can look at without a tool call. */
export function addResources(server: McpServer, { client }: Desk): void {
  server.registerResource(
    "workers",
    "openclaw-worker://workers",
    { title: "Computers", description: "The user's computers that are known", mimeType: json },
    async (uri, context) => ({
      contents: [textAt(uri, await client.workers(context.mcpReq.signal))],
    }),
  );
  server.registerResource(
    "tasks",
    "openclaw-worker://tasks",
    { title: "Tasks", description: "The newest tasks", mimeType: json },
    async (uri, context) => ({
      contents: [textAt(uri, (await client.list({ limit: 50 }, context.mcpReq.signal)).tasks)],
    }),
  );
  server.registerResource(
    "task",
    new ResourceTemplate("openclaw-worker://tasks/{taskId}", {
      list: async (context) => ({
        resources: (await client.list({ limit: 50 }, context.mcpReq.signal)).tasks.map(
          ({ taskId, summary }) => ({
            uri: `openclaw-worker://tasks/${taskId}`,
            name: taskId,
            description: summary,
            mimeType: json,
          }),
        ),
      }),
    }),
    { title: "A task", description: "A task, and its result when it has ended", mimeType: json },
    async (uri, variables, context) => {
      const view = await client.get(String(variables["taskId"]), 0, context.mcpReq.signal);
      return { contents: [textAt(uri, view.state === "finished" ? outputOf(view.result) : view)] };
    },
  );
}

function textAt(uri: URL, value: unknown) {
  return { uri: uri.href, mimeType: json, text: JSON.stringify(value, null, 2) };
}
