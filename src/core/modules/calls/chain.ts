import type { Generation } from "./generation/generation.ts";
import type { Trial } from "./generation/trial.ts";

/** A call and the calls that it helps to answer, as a linked list with the innermost call first. */
export interface CallChain {
  /** The generation that the call went to. Undefined if a test called an instance that has no generation. */
  readonly generation: Generation | undefined;
  /** The call that made this one. Undefined: this one came from outside. */
  readonly before: CallChain | undefined;
  /** Monotonic ms at which the first caller stops waiting. */
  readonly deadline: number;
  /** Whether a nested call ended because the first caller waits for less time than the modules may take. */
  cutShort: boolean;
  /** What the call may reach. Undefined: it answers a real caller, and may reach every declared dependency. */
  readonly trial?: Trial | undefined;
}

/** Whether one of the chain's calls went to one of these generations. */
export function goesThrough(chain: CallChain | undefined, generations: ReadonlySet<Generation>): boolean {
  for (let link = chain; link !== undefined; link = link.before) {
    if (link.generation !== undefined && generations.has(link.generation)) return true;
  }
  return false;
}

/**
 * The generation of `module` that a nested call must go to: the one that was started together with a generation of the
 * chain. Undefined: the nested call goes to the generation that serves.
 */
export function peerOf(chain: CallChain | undefined, module: string): Generation | undefined {
  for (let link = chain; link !== undefined; link = link.before) {
    const peer = link.generation?.peers.get(module);
    if (peer !== undefined) return peer;
  }
  return undefined;
}

/** The start of a chain for a call that tests an instance. The instance's nested calls stay in the trial. */
export function trialCall(trial: Trial, deadline: number, generation?: Generation): CallChain {
  return { generation, before: undefined, deadline, cutShort: false, trial };
}
