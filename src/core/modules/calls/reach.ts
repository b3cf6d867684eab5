import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError } from "../../errors/error.ts";
import type { CallSource, Payload } from "../host/types/host.ts";
import { type CallChain, peerOf } from "./chain.ts";
import type { Fence } from "./generation/fence.ts";
import type { Generation, Peers } from "./generation/generation.ts";
import type { Trial } from "./generation/trial.ts";
import type { Router } from "./router.ts";

/** An instance that calls others. */
export interface Caller {
  /** The module's name. */
  readonly name: string;
  /** Which start of its code; 0 for tests. */
  readonly number: number;
  /** All that it may call. */
  readonly dependencies: readonly string[];
  /** Undefined while it starts. */
  generation(): Generation | undefined;
  /** From its start to its end. */
  readonly fence: Fence;
  /** Whether it may act of its own accord while it starts: it is started to serve. */
  readonly acts: boolean;
  /** Those that are started with it, to be called instead of what serves. */
  readonly peers: Peers | undefined;
  /** What it reaches while it may not act. */
  readonly trial: Trial;
}

/** Makes a call for an instance: `ctx.call`. */
export type Reach = (
  caller: Caller,
  dependency: string,
  method: string,
  input: Payload,
  source: CallSource,
) => Promise<Payload>;

/**
 * Only the version that serves acts. A call goes to what it depends on as it serves now
 * - if it is made to answer a real caller, whichever version the instance is: a canary answers some;
 * - if the instance makes it of its own accord (a timer, `start`, `health`), and serves or is started to serve.
 *
 * Every other call is on trial: it goes to a stand-in, to a candidate of the same swap, to a method without effects or to a
 * dependency that is allowed by name, and is refused otherwise, at once. A version that serves no more is told so by its
 * fence.
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
    // Nobody waits for a call of its own: what stands in has its own time for that.
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

/** What it calls of its own accord goes through it, too: who waits until it has nothing under way lets that through. */
function ownChain(generation: Generation | undefined, trial: Trial | undefined): CallChain | undefined {
  if (generation === undefined) return undefined;
  return { generation, before: undefined, deadline: Number.POSITIVE_INFINITY, cutShort: false, trial };
}

/**
 * The trial that a call of the instance is part of now; undefined: it may have effects. What does not serve has its own;
 * what serves and is called on trial stays within that of who calls it.
 */
function trialOf(caller: Caller, chain: CallChain | undefined): Trial | undefined {
  if (chain !== undefined && chain.trial === undefined) return undefined;
  return (caller.generation()?.acts ?? caller.acts) ? chain?.trial : caller.trial;
}

/** What serves in its place is another version: to go on with that would try out what never serves together. */
function endedPeer(name: string, error: string): HeliosError {
  return HeliosError.of("MODULE_CRASHED", { name, error, delivered: "false" });
}

function checkDeclared({ name, dependencies }: Caller, dependency: string): void {
  if (dependencies.includes(dependency)) return;
  const problem = `module ${name} does not declare ${dependency}; it declares ${dependencies.join(", ") || "none"}`;
  throw HeliosError.of("ARGUMENT_INVALID", { field: "dependency", problem });
}
