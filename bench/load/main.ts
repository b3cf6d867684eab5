// The process that makes the load. It takes one job at a time from its parent, and answers with figures.
import { runUnary, type UnaryJob } from "./unary.ts";

export type Job = UnaryJob;

process.on("message", (job: Job) => {
  runUnary(job).then(
    (figures) => process.send?.({ figures }),
    (error: unknown) => process.send?.({ problem: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit());
