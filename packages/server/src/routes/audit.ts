import {
  auditCopiedSchema,
  auditCopySchema,
  auditPageSchema,
  auditProofSchema,
  limits,
  signedCheckpointSchema,
} from "@openclaw-worker/protocol";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { parse } from "../answer.ts";
import type { AppParts } from "../parts.ts";

const entriesMax = 1_000;
const workerSchema = z.strictObject({ worker: z.string().max(200) });
const pageQuerySchema = workerSchema.extend({
  from: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(entriesMax).default(100),
});
const proofQuerySchema = workerSchema.extend({ seq: z.coerce.number().int().nonnegative() });

/** The workers' audit logs, as this server has them: it is their witness, and vouches for nothing. */
export function auditRoutes(app: FastifyInstance, { queue }: AppParts): void {
  const { witness } = queue;

  app.post(
    "/worker/audit",
    {
      bodyLimit: limits.auditCopyBytes,
      schema: {
        summary: "The next entries of a worker's audit log. `size`: how many the server has now.",
        body: auditCopySchema,
        response: { 200: auditCopiedSchema },
      },
    },
    (request) => witness.copy(parse(auditCopySchema, request.body)),
  );

  app.get(
    "/audit",
    {
      schema: {
        summary: "Entries of a worker's audit log, and the newest head that it signed.",
        querystring: pageQuerySchema,
        response: { 200: auditPageSchema },
      },
    },
    (request) => {
      const { worker, from, limit } = parse(pageQuerySchema, request.query);
      return witness.page(worker, from, limit);
    },
  );

  app.get(
    "/audit/checkpoint",
    {
      schema: {
        summary: "The newest head that a worker signed.",
        querystring: workerSchema,
        response: { 200: signedCheckpointSchema },
      },
    },
    (request) => witness.head(parse(workerSchema, request.query).worker),
  );

  app.get(
    "/audit/proof",
    {
      schema: {
        summary: "That an entry is in the log under the newest head (RFC 9162, section 2.1.3).",
        querystring: proofQuerySchema,
        response: { 200: auditProofSchema },
      },
    },
    (request) => {
      const { worker, seq } = parse(proofQuerySchema, request.query);
      return witness.proof(worker, seq);
    },
  );
}
