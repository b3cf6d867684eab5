// Reads and copies the files that modules load as data away from the service's event loop.
import { parentPort } from "node:worker_threads";
import type { Asset } from "./asset.ts";
import { type AssetJob, placeAssets, stageAssets } from "./keep-assets.ts";
import { CodeProblem } from "./problem.ts";

/** What a job comes to. */
export type AssetAnswer = ({ readonly assets: readonly Asset[] } | { readonly problem: string }) & {
  readonly reusable: true;
};

parentPort?.on("message", (job: AssetJob) => {
  parentPort?.postMessage({ ...answerTo(job), reusable: true } satisfies AssetAnswer);
});

function answerTo(job: AssetJob): { readonly assets: readonly Asset[] } | { readonly problem: string } {
  try {
    if (job.type === "stage") return { assets: stageAssets(job.directory, job.root, job.paths) };
    placeAssets(job.directory, job.tree, job.assets);
    return { assets: job.assets };
  } catch (error) {
    if (error instanceof CodeProblem) return { problem: error.message };
    const { code, syscall, path, message } = error as NodeJS.ErrnoException;
    return { problem: code === undefined ? message : `${path ?? "a file"} cannot be used (${code} in ${syscall})` };
  }
}
