// Who may come in. Decided from the headers alone, before a byte of the body is read.

import { createHash, timingSafeEqual } from "node:crypto";

export type Guard = (authorization: string | undefined) => boolean;

/**
 * Accepts `Authorization: Bearer <token>` in any case of the word, and the bare token, which old
 * clients send. Compared by digest in constant time, so neither length nor prefix can be measured.
 */
export function createGuard(token: string): Guard {
  const expected = digest(token);
  return (authorization) => {
    if (authorization === undefined) return false;
    const given = authorization.replace(/^bearer +/i, "").trim();
    return timingSafeEqual(digest(given), expected);
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
