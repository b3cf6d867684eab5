import type { Permit } from "../../../kernel/breakers/machine.ts";
import { LONGEST_SPAN_MS, type SpanRange } from "../../../kernel/span.ts";
import { seconds } from "../../async/deadline.ts";
import type { Breakers } from "../../breakers/types.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Aftermath, Payload } from "../host/types/host.ts";
import { isSameMethod } from "../host/values/names.ts";
import type { Module } from "../record/record.ts";
import type { CallChain } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";
import type { Trial } from "./generation/trial.ts";
import type { Lane } from "./lane.ts";

/** What is left of a deadline may be less than nothing: the call is late then, not wrong. */
export const WHAT_IS_LEFT: SpanRange = { least: -LONGEST_SPAN_MS, mayBeInfinite: true };

export interface InvokeOptions {
  /** Ms until the caller gives up. The module's `call_timeout` holds too, whichever is sooner. */
  readonly timeoutMs?: number | undefined;
  /** Aborting it ends the call with its reason; the module sees it as an aborted `signal`. */
  readonly signal?: AbortSignal | undefined;
  /** During a canary, callers with the same key are answered by the same version. Default: by the one that serves. */
  readonly routingKey?: string | undefined;
  /**
   * Makes a repetition safe: calls of the same module with the same key, of at most 128 characters, are one call. Undefined
   * or empty: each is its own. See `Modules.invoke`.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Is told on which side of its delivery a call is: what was given to a module may have had its effect. */
export interface Delivery {
  /** Before it is given to the module, unless the method is pure; the call waits for it, and fails as it does. */
  prepare(budgetMs: number): Promise<void>;
  /** The module has been given it. */
  done(): void;
  /** It failed for its caller, but may run on, or never have begun. */
  left(aftermath: Promise<Aftermath>): void;
}

export interface RoutedOptions extends Omit<InvokeOptions, "idempotencyKey"> {
  /** Of a call that a module makes to answer another. */
  readonly chain?: CallChain | undefined;
  readonly delivery?: Delivery | undefined;
  /** The trial that it is part of. It says nothing of a module that serves; what a candidate calls by it stays within. */
  readonly trial?: Trial | undefined;
}

/** What a call gave. */
export interface Answer {
  readonly output: Payload;
  /** Of the instance that answered. */
  readonly version: string;
  readonly generation: number;
  /** Waiting included. */
  readonly durationMs: number;
  /** The module that was called, or its fallback. */
  readonly answeredBy: string;
}

/** Sees calls that were answered. It is not waited for. */
export type Mirror = (method: string, input: Payload, output: Payload) => void;

/** The parts of the breakers that guard calls. */
export type CallGuard = Pick<Breakers, "acquire" | "record" | "release" | "getOrCreate">;

/** One call on its way. */
export interface Call {
  readonly module: Module;
  readonly to: Lane;
  readonly method: string;
  readonly input: Payload;
  readonly start: number;
  readonly budgetMs: number;
  /** Whether the caller waits as long as the module may take: else that it gave up says nothing of the module. */
  readonly isPatient: boolean;
  readonly permit: Permit;
  readonly options: RoutedOptions;
}

/** The name of a module's own breaker. */
export function breakerOf(module: string): string {
  return `module:${module}`;
}

/** Whether a method, in any spelling, is one without effects: by the registration, or by the class that runs. */
export function isPureOf(
  { record }: Module,
  { running, instance }: Pick<Generation, "running" | "instance">,
  method: string,
): boolean {
  const { pureMethods = [] } = instance.shape;
  const isIt = (pure: string): boolean => isSameMethod(running.methods, pure, method);
  return record.registration.pureMethods.some(isIt) || pureMethods.some(isIt);
}

export function late(name: string, method: string, budgetMs: number): HeliosError {
  return HeliosError.of("MODULE_DEADLINE_EXCEEDED", { name, method, timeout: seconds(Math.max(0, budgetMs)) });
}

/** Notes that a call nested in these ended because whoever made the first one gives up. */
export function cutShort(chain: CallChain | undefined): void {
  for (let link = chain; link !== undefined; link = link.before) link.cutShort = true;
}
