import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError } from "../../errors/error.ts";
import { invalid } from "../../errors/invalid.ts";
import type { CallSource, Payload } from "../host/types/host.ts";
import { type CallChain, peerOf } from "./chain.ts";
import type { Fence } from "./generation/fence.ts";
import type { Generation, Peers } from "./generation/generation.ts";
import type { Trial } from "./generation/trial.ts";
import type { Router } from "./router.ts";

/** An instance that calls other modules. */
export interface Caller {
  /** The name of the module. */
  readonly name: string;
  /** The number of the generation; 0 for an instance of a test. */
  readonly number: number;
  /** The modules that it may call, as registered. */
  readonly dependencies: readonly string[];
  /** Undefined while it starts. */
  generation(): Generation | undefined;
  /** The fence that its own calls must pass, from its start to its end. */
  readonly fence: Fence;
  /** Whether it is started to serve, and may therefore make calls of its own accord while it starts. */
  readonly acts: boolean;
  /** The generations that are started with it. It calls them instead of those that serve. */
  readonly peers: Peers | undefined;
  /** What it may call until it is allowed to act of its own accord. */
  readonly trial: Trial;
}

/** Makes a call for an instance that used `ctx.call`. */
export type Reach = (
  caller: Caller,
  dependency: string,
  method: string,
  input: Payload,
  source: CallSource,
) => Promise<Payload>;

/**
 * Creates the function behind `ctx.call`. It lets only the version that serves act. A call goes to the serving version of
 * a dependency in two cases:
 * - It helps to answer a real caller. The calling instance may be a candidate, because a canary answers some callers.
 * - The instance makes it of its own accord (in a timer, `start` or `health`), and serves or is started to serve.
 *
 * Every other call is part of a trial. It may go to a stand-in, to a candidate of the same swap, to a method without effects,
 * or to a dependency that is allowed by name. Any other call of a trial is refused at once. If the instance no longer
 * serves, its fence rejects the calls that it makes of its own accord with MODULE_FENCED.
 */
export function createReach(router: Router, clock: Clock): Reach {
  return async (caller, dependency, method, input, { signal, origin }) => {
    checkDeclared(caller, dependency);
    const nested = origin as CallChain | undefined;
    if (nested === undefined) await caller.fence.pass();
    const generation = caller.generation();
    const trial = trialOf(caller, nested);
    const chain = nested ?? ownChain(generation, trial);
    const standIn = trial?.standIn(dependency, method);
    const leftMs = chain && chain.deadline - clock.monotonic();
    // A call that the instance makes of its own accord has no deadline. The stand-in then uses its own timeout.
    const timeoutMs = leftMs === Number.POSITIVE_INFINITY ? undefined : leftMs;
    if (standIn !== undefined) return standIn(input, { method, timeoutMs, signal });
    const options = { signal, timeoutMs, chain, trial };
    const peer = peerOf(chain, dependency) ?? (generation?.peers ?? caller.peers)?.get(dependency);
    if (peer !== undefined && peer.ending === undefined) return router.invokeIn(peer, method, input, options);
    if (peer?.ending !== undefined && trial !== undefined) throw endedPeer(dependency, peer.ending.description);
    if (trial !== undefined && !trial.allows(dependency) && !router.isPure(dependency, method)) {
      throw trial.refusal({ name: caller.name, generation: caller.number, dependency, method });
    }
    return (await router.invoke(dependency, method, input, options)).output;
  };
}

/**
 * The chain of a call that the instance makes of its own accord. It contains the instance's generation, because a hand-over
 * waits for such calls and must therefore let them pass.
 */
function ownChain(generation: Generation | undefined, trial: Trial | undefined): CallChain | undefined {
  if (generation === undefined) return undefined;
  return { generation, before: undefined, deadline: Number.POSITIVE_INFINITY, cutShort: false, trial };
}

/**
 * The trial that a call of the instance is part of now. Undefined: the call may have effects. An instance that does not
 * serve uses its own trial. An instance that serves, and answers a call of a trial, stays in that trial.
 */
function trialOf(caller: Caller, chain: CallChain | undefined): Trial | undefined {
  if (chain !== undefined && chain.trial === undefined) return undefined;
  return (caller.generation()?.acts ?? caller.acts) ? chain?.trial : caller.trial;
}

/** A peer has ended. The version that serves in its place must not replace it, because the two will never serve together. */
function endedPeer(name: string, error: string): HeliosError {
  return HeliosError.of("MODULE_CRASHED", { name, error, delivered: "false" });
}

function checkDeclared({ name, dependencies }: Caller, dependency: string): void {
  if (dependencies.includes(dependency)) return;
  const problem = `module ${name} does not declare ${dependency}; it declares ${dependencies.join(", ") || "no dependencies"}`;
  throw invalid("dependency", problem);
}
