import type { Cores } from "../compare/cores.ts";
import type { Result } from "../compare/results.ts";
import type { Load } from "../load/load.ts";

/** What a suite may use, and how thorough it is to be. */
export interface Bench {
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly cores: Cores | undefined;
  readonly load: Load;
  /** Tells the user what is being measured. */
  say(line: string): void;
}

/** A part of the benchmark. */
export interface Suite {
  readonly name: string;
  /** It takes minutes, so the quick form runs it only if it is named. */
  readonly isLong?: true;
  run(bench: Bench): Promise<readonly Result[]>;
}
