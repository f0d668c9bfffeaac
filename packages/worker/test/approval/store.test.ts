import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openApprovalStore, type ApprovalStore } from "../../src/approval/store.ts";
import { temporaryFolder } from "../stage.ts";

const dayMs = 86_400_000;

function withStore(work: (open: () => ApprovalStore) => void): void {
  const folder = temporaryFolder();
  try {
    work(() => openApprovalStore(path.join(folder, "approvals.sqlite")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a nonce is spent once, on one thing, and for good when that has begun; also after a restart", () => {
  withStore((open) => {
    const spent = { key: "task a", nonce: "n", subject: "t", expiresAt: 1_000 };
    {
      using store = open();
      assert.equal(store.spend(spent), "fresh");
      assert.equal(store.spend(spent), "same");
      assert.equal(store.spend({ ...spent, subject: "other" }), "used");
      assert.equal(store.spend({ ...spent, key: "task b" }), "fresh");
    }
    {
      using store = open();
      assert.equal(store.spend(spent), "same");
      store.begun("task a", "n");
      assert.equal(store.spend(spent), "used");
    }
    using store = open();
    assert.equal(store.spend(spent), "used");
  });
});

test("a nonce that was forgotten is never new again, whatever the clock says then", () => {
  withStore((open) => {
    using store = open();
    const now = 100 * dayMs;
    const spent = { key: "task a", nonce: "n", subject: "t", expiresAt: now + dayMs };
    store.spend(spent);
    store.begun("task a", "n");
    store.prune(now + 25 * 3_600_000);
    assert.equal(store.spend(spent), "used");
    // A year ahead by mistake, and back.
    store.prune(now + 365 * dayMs);
    assert.equal(store.spend(spent), "used");
    assert.equal(
      store.spend({ ...spent, nonce: "m", subject: "u", expiresAt: now + 2 * dayMs }),
      "fresh",
    );
    assert.equal(store.spend({ ...spent, key: "decision a", nonce: "x" }), "fresh");
  });
});
