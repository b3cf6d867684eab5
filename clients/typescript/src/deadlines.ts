import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { joined } from "../../../src/kernel/async/signal.ts";
import { type Clock, systemClock } from "../../../src/kernel/clock.ts";
import { checkOptionalSpan } from "./spans.ts";

/**
 * Longest deadline that is sent to the service, because gRPC's header has 8 digits. A longer one applies only in the
 * client. @limit ms
 */
const LONGEST_SENT_DEADLINE_MS = 99_999_999;

/**
 * Returns a transport that calls through `transport` with deadlines of any length, in whole ms. 0 and Infinity mean no
 * deadline. A deadline that is too long for the wire applies only in the client, which cancels the call when it has passed.
 * `defaultTimeoutMs` applies to unary calls. Streams continue until somebody ends them.
 */
export function withDeadlines(
  transport: Transport,
  defaultTimeoutMs: number | undefined,
  clock: Clock = systemClock,
): Transport {
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const deadline = deadlineOf(timeoutMs ?? defaultTimeoutMs);
      if (isSent(deadline))
        return transport.unary(method, signal, deadline ?? NO_DEADLINE, header, input, contextValues);
      const kept = keepDeadline(clock, deadline, signal);
      try {
        return await transport.unary(method, kept.signal, NO_DEADLINE, header, input, contextValues);
      } finally {
        kept.cancel();
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const deadline = deadlineOf(timeoutMs);
      if (isSent(deadline))
        return transport.stream(method, signal, deadline ?? NO_DEADLINE, header, input, contextValues);
      const kept = keepDeadline(clock, deadline, signal);
      try {
        const response = await transport.stream(method, kept.signal, NO_DEADLINE, header, input, contextValues);
        return { ...response, message: until(response.message, () => kept.cancel()) };
      } catch (error) {
        kept.cancel();
        throw error;
      }
    },
  };
}

/** Where no deadline is given, the runtime uses a default of its own. This value means no deadline. */
const NO_DEADLINE = 0;

/** Undefined: no deadline. */
function deadlineOf(timeoutMs: number | undefined): number | undefined {
  checkOptionalSpan("timeoutMs", timeoutMs, { mayBeInfinite: true });
  return timeoutMs === undefined || timeoutMs === 0 || timeoutMs === Number.POSITIVE_INFINITY
    ? undefined
    : Math.ceil(timeoutMs);
}

function isSent(deadline: number | undefined): boolean {
  return deadline === undefined || deadline <= LONGEST_SENT_DEADLINE_MS;
}

interface KeptDeadline {
  readonly signal: AbortSignal;
  cancel(): void;
}

function keepDeadline(clock: Clock, ms = Number.POSITIVE_INFINITY, outer: AbortSignal | undefined): KeptDeadline {
  const { signal, abort, release } = joined([outer]);
  const late = (): void => abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const timer = clock.setTimer(ms, late, true);
  return {
    signal,
    cancel() {
      timer.cancel();
      release();
    },
  };
}

async function* until<T>(messages: AsyncIterable<T>, ended: () => void): AsyncGenerator<T> {
  try {
    yield* messages;
  } finally {
    ended();
  }
}
