// File tasks on a temporary folder, without a cage: what they may touch is theirs to judge.

import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@openclaw-worker/base";
import type { Report } from "@openclaw-worker/protocol";
import type { Cage, JobLimits } from "../../src/job.ts";
import { openFiles, type WorkersOwn } from "../../src/run/files.ts";
import { startLimit } from "../../src/run/limit.ts";

export interface FileBench extends Disposable {
  /** The folder around the root: nothing in it is open unless a test says so. */
  readonly around: string;
  readonly root: string;
  readonly read: (path: string) => Promise<Report>;
  readonly write: (path: string, content: string, encoding?: "utf8" | "base64") => Promise<Report>;
  readonly edit: (
    path: string,
    oldString: string,
    newString: string,
    all?: boolean,
  ) => Promise<Report>;
  readonly list: (path: string) => Promise<Report>;
  /** The same folder, with another cage. */
  with(more: Partial<Cage>, limits?: JobLimits): FileBench;
}

export interface BenchWish {
  readonly own?: Partial<WorkersOwn>;
  readonly fileBytes?: number;
  readonly signal?: AbortSignal;
}

export function openBench(wish: BenchWish = {}): FileBench {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "worker-test-")));
  const root = join(folder, "root");
  mkdirSync(root);
  const own = { hidden: [], secretIn: () => null, ...wish.own };
  const limits = { fileBytes: wish.fileBytes ?? 5_000, outputKeptBytes: 100_000 };
  const files = openFiles(limits, own);
  const benchWith = (cage: Cage, limits: JobLimits | undefined): FileBench => {
    const during = async <T>(
      act: (context: Parameters<typeof files.read>[1]) => Promise<T>,
    ): Promise<T> => {
      const signal = wish.signal ?? new AbortController().signal;
      using limit = startLimit(systemClock(), 20_000, signal);
      return await act({ cage, limit, limits });
    };
    return {
      around: folder,
      root,
      read: (path) => during((context) => files.read({ kind: "file-read", path }, context)),
      write: (path, content, encoding = "utf8") =>
        during((context) => files.write({ kind: "file-write", path, content, encoding }, context)),
      edit: (path, oldString, newString, replaceAll = false) =>
        during((context) =>
          files.edit({ kind: "file-edit", path, oldString, newString, replaceAll }, context),
        ),
      list: (path) => during((context) => files.list({ kind: "file-list", path }, context)),
      with: (more, limits) => benchWith({ ...cage, ...more }, limits),
      [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
    };
  };
  return benchWith({ roots: [root], readable: [] }, undefined);
}
