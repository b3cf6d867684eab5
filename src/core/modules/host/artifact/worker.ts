// Builds artifacts away from the service's event loop. No code of a module runs here, it is only read.
import { closeSync, openSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { init } from "es-module-lexer";
import { isFault, machineFault } from "../disk/fault.ts";
import { CodeProblem } from "../disk/problem.ts";
import { digestOf, encodeArtifact } from "./artifact.ts";
import { type BuildRequest, buildArtifact } from "./build.ts";

/** What a build comes to. */
type BuildAnswer = (
  | { readonly sha256: string; readonly artifact: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly problem: string; readonly isFault?: boolean }
) & {
  /** Whether it may build the next one, too: Node's caches of packages do not see what changes. */
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
    // Node takes files that it cannot open for files that are not there.
    if (fault !== undefined) return answer({ problem: fault.message, isFault: true, reusable: false });
    // Anything else, and the parser is in doubt: it ends with this thread.
    if (!(error instanceof CodeProblem)) throw error;
    answer({ problem: error.message, reusable });
  }
});

/** Whether the machine opens files at all. */
function faultOf(root: string): Error | undefined {
  try {
    closeSync(openSync(root, "r"));
    return undefined;
  } catch (error) {
    return isFault(error) ? machineFault(`read ${root}`, error) : undefined;
  }
}
