// The process that makes the load. It takes one job at a time from its parent, and answers with the result.
import { runJson } from "./json.ts";
import { runUnary } from "./unary.ts";
import { change, closeWatchers, openWatchers } from "./watch.ts";

const JOBS = { unary: runUnary, json: runJson, openWatchers, change, closeWatchers };

export type Jobs = typeof JOBS;
export interface Order<K extends keyof Jobs = keyof Jobs> {
  readonly kind: K;
  readonly job: Parameters<Jobs[K]>[0];
}

process.on("message", ({ kind, job }: Order) => {
  const run = JOBS[kind] as (job: Order["job"]) => Promise<unknown>;
  run(job).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ problem: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit());
