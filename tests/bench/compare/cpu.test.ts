import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { cpuSeconds } from "../../../bench/compare/cpu.ts";

describe.runIf(process.platform === "linux")("the CPU time of a process", () => {
  it("does not fall when a thread ends", async () => {
    const source = `const { parentPort } = require("node:worker_threads");
      for (let sum = 0; sum < 5e7; ) sum += 1;
      parentPort.once("message", () => process.exit());
      parentPort.postMessage("busy");`;
    const worker = new Worker(source, { eval: true });
    await once(worker, "message");
    const before = cpuSeconds(process.pid);
    const ended = once(worker, "exit");
    worker.postMessage("end");
    await ended;
    expect(before).toBeGreaterThan(0);
    expect(cpuSeconds(process.pid)).toBeGreaterThanOrEqual(before);
  });

  it("is unknown for a process that does not exist", () => {
    expect(cpuSeconds(2 ** 22 + 1)).toBeNaN();
  });
});
