// Builds artifacts away from the service's event loop. The code of modules is only read here, and does not run.
import { closeSync, openSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { init } from "es-module-lexer";
import { isFault, machineFault } from "../disk/fault.ts";
import { CodeProblem } from "../disk/problem.ts";
import { digestOf, encodeArtifact } from "./artifact.ts";
import { type BuildRequest, buildArtifact } from "./build.ts";

/** The answer to a request. */
type BuildAnswer = (
  | { readonly sha256: string; readonly artifact: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly problem: string; readonly isFault?: boolean }
) & {
  /** Whether this thread may build the next artifact. Node caches package.json files and would not notice changes. */
  readonly reusable: boolean;
};

await init();

parentPort?.on("message", (request: BuildRequest) => {
  let reusable = true;
  const answer = (message: BuildAnswer, transfer: ArrayBuffer[] = []): void =>
    parentPort?.postMessage(message, transfer);
  try {
    const { artifact, entryBytes } = buildArtifact(request, () => {
      reusable = false;
    });
    const bytes = Uint8Array.from(encodeArtifact(artifact));
    answer({ sha256: digestOf(entryBytes), artifact: digestOf(bytes), bytes, reusable }, [bytes.buffer]);
  } catch (error) {
    const fault = isFault(error) ? (error as Error) : faultOf(request.root);
    // Node reports files that it cannot open as missing.
    if (fault !== undefined) return answer({ problem: fault.message, isFault: true, reusable: false });
    // After any other error the parser cannot be trusted, so this thread ends.
    if (!(error instanceof CodeProblem)) throw error;
    answer({ problem: error.message, reusable });
  }
});

/** Returns a fault if the machine cannot open files at all. */
function faultOf(root: string): Error | undefined {
  try {
    closeSync(openSync(root, "r"));
    return undefined;
  } catch (error) {
    return isFault(error) ? machineFault(`read ${root}`, error) : undefined;
  }
}
