import type { Clock } from "../../../../kernel/clock.ts";
import { Waiters } from "../../../async/waiters.ts";
import { checkSpan } from "../../../errors/check-span.ts";
import { HeliosError, isReason } from "../../../errors/error.ts";
import { refuse, textViolation } from "../../../errors/violation.ts";
import { canonicalJson } from "../../../json/canonical.ts";
import { jsonViolation } from "../../../json/value.ts";
import type { Answers } from "../../../store/answers.ts";
import { REPLAY_WINDOW_MS } from "../../../store/requests.ts";
import { deadlineError } from "../../host/types/deadline-error.ts";
import type { Aftermath, Payload } from "../../host/types/host.ts";
import { snakeCase, spellingsOf } from "../../host/values/names.ts";
import { type Answer, type Delivery, type InvokeOptions, REMAINING_TIME } from "../call.ts";
import type { Router } from "../router.ts";
import { type CallOutcome, idOf, type KeyedCall, replay, toStored } from "./call-outcome.ts";
import { KeyedRun } from "./keyed-run.ts";

/** Length of an idempotency key in the library. A longer key is refused with `ARGUMENT_INVALID`. @limit characters */
const MAX_KEY_CHARS = 128;

export interface KeyedCallsDeps {
  readonly router: Router;
  readonly answers: Answers;
  readonly clock: Clock;
}

/**
 * Calls that are carried out at most once for each key that a caller chose.
 *
 * A call continues when its caller stops waiting, for up to the module's `call_timeout`. A repetition waits for the first
 * call, or gets its outcome for ten minutes: the answer, or the error of the method.
 *
 * Before the module gets the call, the store durably notes that the call begins. If its outcome cannot be determined later,
 * repetitions are refused with IDEMPOTENCY_OUTCOME_UNKNOWN, and the method does not run again. If a call is refused before
 * the module gets it, its key stays free.
 *
 * Each of these calls has a place in its module's lane, which limits their number.
 */
export interface KeyedCalls {
  invoke(name: string, method: string, input: Payload, key: string, options: InvokeOptions): Promise<Answer>;
  /** Resolves when no keyed call is in progress. */
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
      unfinished: (ended) => {
        aftermath = ended;
      },
    };
    const settle = async (outcome: CallOutcome): Promise<string | undefined> => {
      const stored = toStored(begun ?? { ...call, time: clock.now() }, outcome);
      // If the outcome cannot be stored, this caller still gets it. A repetition gets IDEMPOTENCY_OUTCOME_UNKNOWN.
      await answers.put(id, stored, clock.now() + REPLAY_WINDOW_MS).catch(() => {});
      return stored.note;
    };
    const settleFailure = async (error: unknown): Promise<void> => {
      if (begun === undefined) return;
      // As far as it is known by now.
      const isDropped = (await Promise.race([aftermath, undefined])) === "DROPPED";
      if (!run.delivered || isDropped) return await answers.forget(id).catch(() => {});
      const note = await settle(outcomeOf(error));
      void aftermath
        // If the module reports later that it dropped the call before the method began, the key is free.
        ?.then((ended) => (ended === "DROPPED" && answers.find(id)?.note === note ? answers.forget(id) : undefined))
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
      // Starts after `running.set` below, so that a run is in the map before it can end.
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
      checkSpan("timeoutMs", timeoutMs, REMAINING_TIME);
      signal?.throwIfAborted();
      const start = clock.monotonic();
      const digest = await digestOf(spellingOf(router.serving(name)?.running.methods ?? [], method), input);
      const call = { name, method, key, digest };
      const id = idOf(name, key);
      const late = (): HeliosError => deadlineError(name, method, timeoutMs);
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
        // The run ends soon. If the module did not get the call, the next round begins it again.
        await now.over({ timeoutMs: leftMs, signal, late });
      }
    },
    idle() {
      return running.size === 0 ? Promise.resolve() : whenIdle.wait();
    },
  };
}

/** The outcome of a delivered call that failed. It is unknown unless the method itself failed. */
function outcomeOf(error: unknown): CallOutcome {
  if (isReason(error, "MODULE_METHOD_FAILED")) return { kind: "FAILED", error };
  return { kind: "UNKNOWN", why: error instanceof HeliosError ? error.message : "the call was cancelled" };
}

/** The same text for both spellings of a method: snake_case, unless two methods of the class have the same snake_case name. */
function spellingOf(methods: readonly string[], method: string): string {
  const snake = snakeCase(method);
  const isAlone = methods.filter((other) => snakeCase(other) === snake).length <= 1;
  return isAlone ? snake : (spellingsOf(methods).get(method) ?? method);
}

/** Hashes the method and the input. The order of the members of JSON objects does not matter. */
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
