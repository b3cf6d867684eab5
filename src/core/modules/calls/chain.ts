import type { Generation } from "./generation/generation.ts";
import type { Trial } from "./generation/trial.ts";

/** The way of a call: the generations that it goes through, the last one first. Calls nested in it continue it. */
export interface CallChain {
  /** Undefined where a test made the call, and knows no generation of the instance that it tests. */
  readonly generation: Generation | undefined;
  /** Undefined: the call came from outside. */
  readonly before: CallChain | undefined;
  /** Monotonic ms at which whoever made the first call gives up. */
  readonly deadline: number;
  /** Whether a call nested in it ended because its caller gives up sooner than the modules may take. */
  cutShort: boolean;
  /** What it may reach, where it was made to try something out and answers no real caller. */
  readonly trial?: Trial | undefined;
}

/** Whether the call goes through one of these. */
export function goesThrough(chain: CallChain | undefined, generations: ReadonlySet<Generation>): boolean {
  for (let link = chain; link !== undefined; link = link.before) {
    if (link.generation !== undefined && generations.has(link.generation)) return true;
  }
  return false;
}

/** The generation of a module that a call must stay with: that which was started beside one that it goes through. */
export function peerOf(chain: CallChain | undefined, module: string): Generation | undefined {
  for (let link = chain; link !== undefined; link = link.before) {
    const peer = link.generation?.peers.get(module);
    if (peer !== undefined) return peer;
  }
  return undefined;
}

/** The origin of a call that tries an instance out: what the instance calls to answer it stays within the trial. */
export function trialCall(trial: Trial, deadline: number, generation?: Generation): CallChain {
  return { generation, before: undefined, deadline, cutShort: false, trial };
}
