import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Cores } from "../compare/cores.ts";
import { startProgram } from "../compare/program.ts";
import type { Jobs } from "./main.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

type JobOf<K extends keyof Jobs> = Parameters<Jobs[K]>[0];
type ResultOf<K extends keyof Jobs> = Jobs[K] extends (job: never) => Promise<infer R> ? R : never;

/** The process that makes the load. It stays the same for all sides, so that none of them meets it cold. */
export interface Load {
  /** Runs one job. Rejects if it fails. */
  run<K extends keyof Jobs>(kind: K, job: JobOf<K>): Promise<ResultOf<K>>;
  stop(): Promise<void>;
}

export function startLoad(cores: Cores | undefined): Load {
  const program = startProgram([process.execPath, MAIN], { core: cores?.load, ipc: true });
  return {
    async run<K extends keyof Jobs>(kind: K, job: JobOf<K>) {
      const answered = once(program.child, "message");
      program.child.send({ kind, job });
      const [{ result, problem }] = (await answered) as [{ readonly result: ResultOf<K>; readonly problem?: string }];
      if (problem !== undefined) throw new Error(problem);
      return result;
    },
    stop: () => program.stop(),
  };
}
