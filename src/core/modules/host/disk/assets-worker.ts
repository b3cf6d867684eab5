// Reads and copies the assets of modules away from the service's event loop.
import { parentPort } from "node:worker_threads";
import { type AssetJob, type AssetResult, doAssetJob } from "./keep-assets.ts";
import { CodeProblem } from "./problem.ts";

type AssetAnswer = (AssetResult | { readonly problem: string }) & { readonly reusable: true };

parentPort?.on("message", (job: AssetJob) => {
  parentPort?.postMessage({ ...answerTo(job), reusable: true } satisfies AssetAnswer);
});

function answerTo(job: AssetJob): AssetResult | { readonly problem: string } {
  try {
    return doAssetJob(job);
  } catch (error) {
    if (!(error instanceof CodeProblem)) throw error;
    return { problem: error.message };
  }
}
