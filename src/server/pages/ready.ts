import type { Store } from "../../core/index.ts";
import type { PlainAnswer } from "../http/plain.ts";
import type { SinkStatus } from "../logs/sink.ts";

/** A part that does not work although the service is ready. */
interface Degraded {
  readonly what: string;
  /** What this means for callers and operators. */
  readonly effect: string;
  readonly problem: string;
  readonly since?: string;
  readonly dropped_lines?: number;
}

export interface Readiness {
  readonly serving: boolean;
  readonly writable: Store["writable"];
  readonly logs: readonly SinkStatus[];
}

/**
 * The answer of `/readyz`: 503 if no calls should be sent to this server. A server that cannot write data or logs is still
 * ready, and reports that in `degraded`. It evaluates flags and answers every read. A load balancer that took all servers
 * with a full disk out of service would cause an outage.
 */
export function readiness({ serving, writable, logs }: Readiness): PlainAnswer {
  const degraded: Degraded[] = [];
  const { refusal } = writable;
  if (refusal !== undefined) {
    const since = new Date(refusal.since).toISOString();
    degraded.push({ what: "store", effect: "writes are refused, reads go on", problem: refusal.problem, since });
  }
  for (const { name, problem, dropped } of logs) {
    if (problem === undefined && dropped === 0) continue;
    const effect =
      problem === undefined ? "log lines were dropped; new ones are written" : "log lines wait or are dropped";
    degraded.push({ what: `log: ${name}`, effect, problem: problem ?? "", dropped_lines: dropped });
  }
  const status = serving ? "ready" : "not ready";
  return { status: serving ? 200 : 503, body: degraded.length === 0 ? { status } : { status, degraded } };
}
