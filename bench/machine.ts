// What was measured on.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { medianOf } from "./measure.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly bwrap: string;
  /** Write of 4 KiB and fdatasync, on the disk where the state lay. */
  readonly fsyncP50Ms: number;
  /** Load of the last minute when the run began: a busy machine measures itself. */
  readonly loadBefore: number;
  /** How the kernel schedules the run: `real-time` (chrt) keeps other work of the machine out. */
  readonly scheduling: "normal" | "real-time";
  readonly commit: string;
}

export function machineOf(folder: string, checkout: string): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 1e9),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    bwrap: printed("bwrap", ["--version"]),
    fsyncP50Ms: fsyncMs(path.join(folder, "fsync")),
    loadBefore: os.loadavg()[0] ?? 0,
    scheduling: isRealTime() ? "real-time" : "normal",
    commit: printed("git", [
      "-c",
      "safe.directory=*",
      "-C",
      checkout,
      "describe",
      "--always",
      "--dirty",
    ]),
  };
}

export function machineLine(machine: Machine): string {
  return (
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; ${machine.kernel}; ` +
    `Node ${machine.node}; ${machine.bwrap}; fsync p50 ${machine.fsyncP50Ms.toFixed(2)} ms; ` +
    `load before ${machine.loadBefore.toFixed(2)}; ${machine.scheduling} scheduling; ` +
    `commit ${machine.commit}`
  );
}

// Field 41 of proc(5)'s stat, counted after the command's name: SCHED_FIFO is 1, SCHED_RR 2.
function isRealTime(): boolean {
  const text = fs.readFileSync("/proc/self/stat", "utf8");
  const policy = text.slice(text.lastIndexOf(")") + 2).split(" ")[38];
  return policy === "1" || policy === "2";
}

function fsyncMs(file: string): number {
  const fd = fs.openSync(file, "w");
  const block = Buffer.alloc(4_096, 1);
  const samples = Array.from({ length: 300 }, (_, index) => {
    const from = performance.now();
    fs.writeSync(fd, block, 0, block.length, index * block.length);
    fs.fdatasyncSync(fd);
    return performance.now() - from;
  });
  fs.closeSync(fd);
  fs.rmSync(file);
  return medianOf(samples);
}

function printed(program: string, args: readonly string[]): string {
  const done = spawnSync(program, args, { encoding: "utf8" });
  return done.status === 0 ? done.stdout.trim() : "unknown";
}
