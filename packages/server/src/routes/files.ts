import {
  acceptedSchema,
  editRequestSchema,
  readRequestSchema,
  submission,
  writeRequestSchema,
} from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";
import { accept } from "./shape.ts";

export function fileRoutes(app: FastifyInstance, { queue }: AppParts): void {
  const response = { 200: acceptedSchema };

  app.post(
    "/files/read",
    {
      schema: {
        summary: "Read a file on the worker's computer.",
        body: readRequestSchema,
        response,
      },
    },
    (request) => {
      const { path, timeout, ...fields } = parse(readRequestSchema, request.body);
      return accept(queue, request, submission({ kind: "file-read", path }, timeout, fields));
    },
  );

  app.post(
    "/files/write",
    {
      schema: {
        summary: "Write a file, byte for byte; folders are made.",
        body: writeRequestSchema,
        response,
      },
    },
    (request) => {
      const { path, content, encoding, timeout, ...fields } = parse(
        writeRequestSchema,
        request.body,
      );
      const spec = { kind: "file-write", path, content, encoding: encoding ?? "utf8" } as const;
      return accept(queue, request, submission(spec, timeout, fields));
    },
  );

  app.post(
    "/files/edit",
    {
      schema: {
        summary: "Replace a text in a file, literally.",
        body: editRequestSchema,
        response,
      },
    },
    (request) => {
      const { path, old_string, new_string, replace_all, timeout, ...fields } = parse(
        editRequestSchema,
        request.body,
      );
      const replaceAll = replace_all ?? false;
      const spec = {
        kind: "file-edit",
        path,
        oldString: old_string,
        newString: new_string,
        replaceAll,
      } as const;
      return accept(queue, request, submission(spec, timeout, fields));
    },
  );
}
