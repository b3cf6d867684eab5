import type { Clock } from "../../../../kernel/clock.ts";
import { seconds } from "../../../async/deadline.ts";
import { Waiters } from "../../../async/waiters.ts";
import { checkSpan } from "../../../errors/check-span.ts";
import { HeliosError, isReason } from "../../../errors/error.ts";
import { refuse, textViolation } from "../../../errors/violation.ts";
import { canonicalJson } from "../../../json/canonical.ts";
import { jsonViolation } from "../../../json/value.ts";
import type { Answers } from "../../../store/answers.ts";
import { REPLAY_WINDOW_MS } from "../../../store/requests.ts";
import type { Aftermath, Payload } from "../../host/types/host.ts";
import { snakeCase, spellingsOf } from "../../host/values/names.ts";
import { type Answer, type Delivery, type InvokeOptions, WHAT_IS_LEFT } from "../call.ts";
import type { Router } from "../router.ts";
import { type CallOutcome, idOf, type KeyedCall, replay, toStored } from "./call-outcome.ts";
import { KeyedRun } from "./keyed-run.ts";

/** Length of an idempotency key in the library; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const MAX_KEY_CHARS = 128;

export interface KeyedCallsDeps {
  readonly router: Router;
  readonly answers: Answers;
  readonly clock: Clock;
}

/**
 * Calls that are carried out at most once, by a key of their caller.
 *
 * A call goes on when nobody waits for it any more, up to the module's `call_timeout`, and its repetition waits for it
 * or gets its outcome for ten minutes: the answer, or the failure of the method itself. That it is about to run is
 * durable before the module is given it; what cannot be told for sure afterwards is IDEMPOTENCY_OUTCOME_UNKNOWN, and is not
 * run again. What was refused before the module was given it has not run: its key stays free.
 *
 * Each call under way has a place in its module's lane, which bounds them.
 */
export interface KeyedCalls {
  invoke(name: string, method: string, input: Payload, key: string, options: InvokeOptions): Promise<Answer>;
  /** Resolves when none is under way. */
  idle(): Promise<void>;
}

export function createKeyedCalls({ router, answers, clock }: KeyedCallsDeps): KeyedCalls {
  const running = new Map<string, KeyedRun>();
  const whenIdle = new Waiters();

  const carryOut = async (
    run: KeyedRun,
    call: Omit<KeyedCall, "time">,
    input: Payload,
    routingKey: string | undefined,
  ): Promise<Answer> => {
    const { name, method, key } = call;
    const id = idOf(name, key);
    let begun: KeyedCall | undefined;
    let aftermath: Promise<Aftermath> | undefined;
    const delivery: Delivery = {
      async prepare(budgetMs) {
        run.prepare();
        run.signal.throwIfAborted();
        const next = { ...call, time: clock.now() };
        const stored = toStored(next, { kind: "BEGUN" });
        await answers.put(id, stored, next.time + budgetMs + REPLAY_WINDOW_MS);
        begun = next;
      },
      done: () => run.markDelivered(),
      left: (what) => {
        aftermath = what;
      },
    };
    const settle = async (outcome: CallOutcome): Promise<string | undefined> => {
      const stored = toStored(begun ?? { ...call, time: clock.now() }, outcome);
      // What is done is done: its caller is told. A repetition is told that the outcome is not known.
      await answers.put(id, stored, clock.now() + REPLAY_WINDOW_MS).catch(() => {});
      return stored.note;
    };
    const settleFailure = async (error: unknown): Promise<void> => {
      if (begun === undefined) return;
      const isDropped = (await Promise.race([aftermath, undefined])) === "DROPPED";
      if (!run.delivered || isDropped) return await answers.forget(id).catch(() => {});
      const note = await settle(outcomeOf(error));
      void aftermath
        // The module may tell later that it dropped the call without having begun it: the key is free then.
        ?.then((what) => (what === "DROPPED" && answers.find(id)?.note === note ? answers.forget(id) : undefined))
        .catch(() => {});
    };
    try {
      const answer = await router.invoke(name, method, input, { signal: run.signal, routingKey, delivery });
      await settle({ kind: "ANSWERED", answer });
      return answer;
    } catch (error) {
      await settleFailure(error);
      throw error;
    }
  };

  const begin = (call: Omit<KeyedCall, "time">, input: Payload, routingKey: string | undefined): KeyedRun => {
    const id = idOf(call.name, call.key);
    const run = new KeyedRun(call.digest, clock, async (own) => {
      // A run is known before it ends.
      await Promise.resolve();
      try {
        return await carryOut(own, call, input, routingKey);
      } finally {
        running.delete(id);
        if (running.size === 0) whenIdle.wake();
      }
    });
    running.set(id, run);
    return run;
  };

  return {
    async invoke(name, method, input, key, { timeoutMs = Number.POSITIVE_INFINITY, signal, routingKey }) {
      refuse(textViolation(["idempotency_key"], key, MAX_KEY_CHARS));
      checkSpan("timeoutMs", timeoutMs, WHAT_IS_LEFT);
      signal?.throwIfAborted();
      const start = clock.monotonic();
      const digest = await digestOf(spellingOf(router.serving(name)?.running.methods ?? [], method), input);
      const call = { name, method, key, digest };
      const id = idOf(name, key);
      const late = (): HeliosError =>
        HeliosError.of("MODULE_DEADLINE_EXCEEDED", { name, method, timeout: seconds(Math.max(0, timeoutMs)) });
      for (;;) {
        const leftMs = timeoutMs - (clock.monotonic() - start);
        const now = running.get(id);
        if (now === undefined) {
          const before = answers.find(id);
          if (before !== undefined) return replay(call, before);
          if (leftMs <= 0) throw late();
          signal?.throwIfAborted();
          return begin(call, input, routingKey).wait({ timeoutMs: leftMs, signal, late });
        }
        if (now.digest !== digest) throw HeliosError.of("REQUEST_ID_REUSED", { request_id: id });
        if (!now.abandoned) return now.wait({ timeoutMs: leftMs, signal, late });
        // Unless it was given to the module all the same, it is begun anew.
        await now.over({ timeoutMs: leftMs, signal, late });
      }
    },
    idle() {
      return running.size === 0 ? Promise.resolve() : whenIdle.wait();
    },
  };
}

/** What came of a call that was given to the module and failed: what is not the method's own failure tells nothing of it. */
function outcomeOf(error: unknown): CallOutcome {
  if (isReason(error, "MODULE_METHOD_FAILED")) return { kind: "FAILED", error };
  return { kind: "UNKNOWN", why: error instanceof HeliosError ? error.message : "the call was given up" };
}

/** The same for every name of a method: in snake_case, unless the class has another method with that name in snake_case. */
function spellingOf(methods: readonly string[], method: string): string {
  const snake = snakeCase(method);
  const isAlone = methods.filter((other) => snakeCase(other) === snake).length <= 1;
  return isAlone ? snake : (spellingsOf(methods).get(method) ?? method);
}

/** Of the method, and of what the input says, in whatever order. */
async function digestOf(method: string, input: Payload): Promise<string> {
  if ("json" in input) refuse(jsonViolation(["input"], input.json));
  const encoder = new TextEncoder();
  const head = encoder.encode(`${method}\n${"binary" in input ? "binary" : "json"}\n`);
  const body = "binary" in input ? input.binary : encoder.encode(canonicalJson(input.json));
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
