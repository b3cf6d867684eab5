import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Cores } from "../compare/cores.ts";
import { startProgram } from "../compare/program.ts";
import type { Job } from "./main.ts";
import type { Figures } from "./meter.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

/** The process that makes the load. It stays the same for all sides, so that none of them meets it cold. */
export interface Load {
  /** Rejects if the calls could not be made. */
  run(job: Job): Promise<Figures>;
  stop(): Promise<void>;
}

export function startLoad(cores: Cores | undefined): Load {
  const program = startProgram([process.execPath, MAIN], { core: cores?.load, ipc: true });
  return {
    async run(job) {
      const answered = once(program.child, "message");
      program.child.send(job);
      const [answer] = (await answered) as [{ readonly figures?: Figures; readonly problem?: string }];
      if (answer.figures === undefined) throw new Error(answer.problem);
      return answer.figures;
    },
    stop: () => program.stop(),
  };
}
