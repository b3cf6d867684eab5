import type { MinimalSignal } from "../../../kernel/async/signal.ts";
import type { Permit } from "../../../kernel/breakers/machine.ts";
import { LONGEST_SPAN_MS, type SpanRange } from "../../../kernel/span.ts";
import type { Breakers } from "../../breakers/types.ts";
import type { Aftermath, Payload } from "../host/types/host.ts";
import { isSameMethod } from "../host/values/names.ts";
import type { Module } from "../record/record.ts";
import type { CallChain } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";
import type { Trial } from "./generation/trial.ts";
import type { Lane } from "./lane.ts";

/** The remaining time of a call may be negative. Such a call has exceeded its deadline; its argument is valid. */
export const REMAINING_TIME: SpanRange = { least: -LONGEST_SPAN_MS, mayBeInfinite: true };

export interface InvokeOptions {
  /**
   * Milliseconds until the caller stops waiting. The call ends then, or after the module's `call_timeout` if that is sooner.
   */
  readonly timeoutMs?: number | undefined;
  /** If it is aborted, the call rejects with its reason, and the `signal` that the module has is aborted too. */
  readonly signal?: MinimalSignal | undefined;
  /** During a canary, calls with the same key go to the same version. Default: to the version that serves. */
  readonly routingKey?: string | undefined;
  /**
   * Makes it safe to repeat the call: all calls of a module with the same key count as one call. At most 128 characters.
   * Undefined or empty: each call counts on its own. See `Modules.invoke`.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Callbacks about the delivery of a call to its module. After the delivery, the call may have had its effect. */
export interface Delivery {
  /** Called before the delivery, unless the method is pure. The call waits for it, and fails if it rejects. */
  prepare(budgetMs: number): Promise<void>;
  /** Called when the module has received the call. */
  done(): void;
  /** Called when the call has failed for its caller while the method may still be running, or may not have begun. */
  unfinished(aftermath: Promise<Aftermath>): void;
}

export interface RoutedOptions extends Omit<InvokeOptions, "idempotencyKey"> {
  /** The calls that this call helps to answer. Undefined: it comes from outside. */
  readonly chain?: CallChain | undefined;
  readonly delivery?: Delivery | undefined;
  /** The trial that the call is part of. Its outcome does not count for the module. Nested calls stay in the same trial. */
  readonly trial?: Trial | undefined;
}

/** The result of a call that succeeded. */
export interface Answer {
  readonly output: Payload;
  /** The version of the instance that answered. */
  readonly version: string;
  readonly generation: number;
  /** From the call to the answer, including the time in the lane's queue. */
  readonly durationMs: number;
  /** The module that answered: the called one, or its fallback. */
  readonly answeredBy: string;
}

/** Called with each answered call. The caller gets its answer without waiting for it. */
export type Mirror = (method: string, input: Payload, output: Payload) => void;

/** The parts of the breakers that guard calls. */
export type CallGuard = Pick<Breakers, "acquire" | "record" | "release" | "getOrCreate">;

/** A call that is being routed or delivered. */
export interface Call {
  readonly module: Module;
  readonly lane: Lane;
  readonly method: string;
  readonly input: Payload;
  readonly start: number;
  readonly budgetMs: number;
  /** Whether the caller waits for the whole `call_timeout`. If not, a missed deadline does not count against the module. */
  readonly isPatient: boolean;
  readonly permit: Permit;
  readonly options: RoutedOptions;
}

/** Returns the name of a module's own breaker. */
export function breakerOf(module: string): string {
  return `module:${module}`;
}

/** Whether the registration or the running class declares a method, in either spelling, as free of effects. */
export function isPureOf(
  { record }: Module,
  { running, instance }: Pick<Generation, "running" | "instance">,
  method: string,
): boolean {
  const { pureMethods = [] } = instance.shape;
  const matches = (pure: string): boolean => isSameMethod(running.methods, pure, method);
  return record.registration.pureMethods.some(matches) || pureMethods.some(matches);
}

/** Notes in each call of the chain that a nested call ended because the first caller stopped waiting. */
export function markCutShort(chain: CallChain | undefined): void {
  for (let link = chain; link !== undefined; link = link.before) link.cutShort = true;
}
