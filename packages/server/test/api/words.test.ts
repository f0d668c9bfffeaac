// The exact words of the guide's refusals: old clients compare them.

import { after, before, describe, test } from "node:test";
import { assertProblem, openApiStage, type ApiStage } from "./stage.ts";

let stage: ApiStage;
before(async () => {
  stage = await openApiStage();
});
after(() => stage[Symbol.asyncDispose]());

describe("exact old messages", () => {
  for (const [path, body, message] of [
    ["/tasks", {}, "command is required"],
    ["/tasks", { command: "" }, "command is required"],
    ["/tasks", { command: null }, "command is required"],
    ["/files/read", {}, "path is required"],
    ["/files/write", {}, "path and content are required"],
    ["/files/write", { path: "a" }, "path and content are required"],
    ["/files/write", { path: "a", content: null }, "path and content are required"],
    ["/files/write", { content: "a" }, "path and content are required"],
    ["/files/edit", {}, "path, old_string, new_string are required"],
    ["/files/edit", { path: "a", old_string: "a" }, "path, old_string, new_string are required"],
    [
      "/files/edit",
      { path: "a", new_string: "a", old_string: "" },
      "path, old_string, new_string are required",
    ],
    ["/claude", {}, "prompt is required"],
    ["/codex", { prompt: "" }, "prompt is required"],
    ["/gemini", { prompt: null }, "prompt is required"],
    ["/worker/result", {}, "taskId is required"],
    ["/worker/result", { taskId: null }, "taskId is required"],
    ["/worker/result", { taskId: "" }, "taskId is required"],
    ["/notify", {}, "channel and message are required"],
    ["/notify", { channel: "1" }, "channel and message are required"],
  ] as const) {
    test(`POST ${path} ${JSON.stringify(body)}: ${message}`, async () => {
      assertProblem(await stage.post(path, body), 400, message);
    });
  }

  test("a body that is missing altogether counts as empty", async () => {
    assertProblem(await stage.get("/tasks", { method: "POST" }), 400, "command is required");
  });

  test("malformed JSON: Invalid JSON body", async () => {
    for (const text of ["{", "{'a':1}", "nul", '{"a":1}x', "[1,]", "\u0000"]) {
      assertProblem(await stage.post("/tasks", text), 400, "Invalid JSON body");
      assertProblem(await stage.post("/worker/result", text), 400, "Invalid JSON body");
    }
  });

  test("JSON that is no object is refused in words", async () => {
    for (const text of ["null", "[]", "1", '"x"', "true"]) {
      assertProblem(await stage.post("/tasks", text), 400, "The body must be a JSON object");
    }
  });
});
