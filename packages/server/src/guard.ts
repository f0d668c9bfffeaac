// Who may come in, and for what. Decided from the headers alone, before a byte of the body is read.

import { createHash, timingSafeEqual } from "node:crypto";

/** Whose token it was: a name, never the token. */
export interface Caller {
  readonly name: "WORKER_TOKEN" | "APPROVE_TOKEN";
  /** Its word without a signature counts as an approver's, where the worker's policy says so. */
  readonly mayApprove: boolean;
}

/** The caller with this header, or null. */
export type Guard = (authorization: string | undefined) => Caller | null;

/**
 * Accepts `Authorization: Bearer <token>` in any case of the word, and the bare token, which old
 * clients send. Compared by digest in constant time, so neither length nor prefix can be measured.
 * `approveToken` reads, approves and stops, and nothing else; a token that executes never approves.
 */
export function createGuard(token: string, approveToken: string | null = null): Guard {
  const expected = digest(token);
  const approver = approveToken === null ? null : digest(approveToken);
  return (authorization) => {
    if (authorization === undefined) return null;
    const given = digest(authorization.replace(/^bearer +/i, "").trim());
    if (timingSafeEqual(given, expected)) return { name: "WORKER_TOKEN", mayApprove: false };
    if (approver !== null && timingSafeEqual(given, approver))
      return { name: "APPROVE_TOKEN", mayApprove: true };
    return null;
  };
}

/** May this caller use the route? `route`: as it is registered, `/approvals/:id` say. */
export function mayUse(caller: Caller, method: string, route: string): boolean {
  if (!caller.mayApprove) return true;
  if (method === "GET") return !route.startsWith("/worker/");
  return approverRoutes.has(route);
}

const approverRoutes: ReadonlySet<string> = new Set([
  "/approvals/:id",
  "/workers/:id/stop",
  "/workers/:id/unstop",
]);

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
