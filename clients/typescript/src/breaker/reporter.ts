import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Breaker } from "../../../../gen/helios/v1/breaker_pb.ts";
import {
  Outcome,
  type OutcomeReport,
  OutcomeReportSchema,
  type ReportOutcomesResponse,
} from "../../../../gen/helios/v1/breaker_service_pb.ts";
import type { Circuit } from "./circuit.ts";
import type { BreakerClock } from "./clock.ts";
import type { Report } from "./pending.ts";
import { toNotice } from "./service-breaker.ts";
import type { Waits } from "./waits.ts";

/** Time that outcomes wait for others before they are reported. @limit ms */
const INTERVAL_MS = 100;
/** Reports in one request, as many as the contract allows; further ones are sent in the next request. @limit reports */
export const MOST_REPORTS = 1000;
/**
 * Runs of equal outcomes in one request. The last breaker's runs may exceed it; the request stays below 4 MiB. Further
 * runs are sent in the next request. @limit runs
 */
const MOST_RUNS = 50_000;

export interface ReporterDeps {
  readonly clock: BreakerClock;
  readonly waits: Waits;
  readonly circuits: ReadonlyMap<string, Circuit>;
  readonly send: (seq: number, reports: OutcomeReport[]) => Promise<ReportOutcomesResponse>;
  /** Asks the service for the breaker's current state. */
  readonly getBreaker: (name: string) => Promise<Breaker | undefined>;
  /** Takes over the state that the service has decided on. */
  readonly applyDecision: (circuit: Circuit, breaker: Breaker) => void;
}

interface Batch {
  readonly circuits: readonly Circuit[];
  readonly reports: OutcomeReport[];
}

/**
 * Reports the outcomes of all circuits, in order, one request at a time. A request that is not known to have arrived is sent
 * again unchanged, so that it is counted once.
 */
export class Reporter {
  readonly #deps: ReporterDeps;
  readonly #undecided = new Set<Circuit>();
  #seq = 1;
  #timer: ReturnType<BreakerClock["setTimer"]> | undefined;
  #working: Promise<void> | undefined;
  #again = false;
  #closing = false;

  constructor(deps: ReporterDeps) {
    this.#deps = deps;
  }

  /** Called when outcomes are to be reported. If `urgent`, they are sent at once, else together with later ones. */
  report(urgent: boolean): void {
    if (this.#closing) return;
    if (urgent) this.#flush();
    else this.#timer ??= this.#deps.clock.setTimer(INTERVAL_MS, () => this.#flush());
  }

  /** Asks for the breaker once all outcomes of its calls have arrived. */
  requestDecision(circuit: Circuit): void {
    this.#undecided.add(circuit);
    if (!this.#closing) this.#flush();
  }

  /** Sends the outcomes that wait, once. Sends nothing afterwards. */
  async close(): Promise<void> {
    this.#flush();
    this.#closing = true;
    this.#deps.waits.wake();
    await this.#working;
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#again = true;
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // Outcomes that are added in the same turn go into the same request.
    await Promise.resolve();
    while (this.#again) {
      this.#again = false;
      // The outcomes of these circuits are in the request that is sent now.
      const undecided = [...this.#undecided];
      this.#undecided.clear();
      const batch = this.#collect();
      if (batch !== undefined) await this.#deliver(batch);
      for (const circuit of undecided) await this.#decide(circuit);
    }
    this.#working = undefined;
    const { circuits } = this.#deps;
    if ([...circuits.values()].some((circuit) => circuit.isKnown && !circuit.pending.isEmpty)) this.report(false);
  }

  #collect(): Batch | undefined {
    const circuits: Circuit[] = [];
    const reports: OutcomeReport[] = [];
    let runs = 0;
    for (const circuit of this.#deps.circuits.values()) {
      if (!circuit.isKnown || circuit.pending.isEmpty) continue;
      if (reports.length >= MOST_REPORTS || runs >= MOST_RUNS) {
        this.#again = true;
        break;
      }
      circuits.push(circuit);
      for (const report of circuit.pending.take(MOST_REPORTS - reports.length)) {
        reports.push(toMessage(circuit.name, report));
        runs += report.runs.length;
      }
      if (!circuit.pending.isEmpty) this.#again = true;
    }
    return reports.length === 0 ? undefined : { circuits, reports };
  }

  async #deliver({ circuits, reports }: Batch): Promise<void> {
    const { waits, send } = this.#deps;
    for (let failures = 0; ; ) {
      try {
        const answer = await send(this.#seq, reports);
        this.#seq += 1;
        this.#arrived(circuits, reports, answer);
        return;
      } catch (error) {
        failures += 1;
        if (ConnectError.from(error).code === Code.InvalidArgument || this.#closing || waits.stopped) break;
        await waits.backOff(failures, error);
      }
    }
    // The service would refuse it again, or nobody will send it again.
    for (const circuit of circuits) circuit.pending.lost();
  }

  #arrived(circuits: readonly Circuit[], reports: OutcomeReport[], answer: ReportOutcomesResponse): void {
    const isolated = new Map(answer.isolated.map((one) => [one.name, one]));
    for (const { name, leaseId } of reports)
      if (leaseId !== "") this.#deps.circuits.get(name)?.probes.reported(leaseId);
    const unknown = new Set(answer.unknownNames);
    for (const circuit of circuits) {
      if (unknown.has(circuit.name)) circuit.pending.lost();
      else circuit.pending.arrived();
      const one = isolated.get(circuit.name);
      circuit.isolate(one && toNotice(one));
    }
    for (const name of unknown) this.#deps.circuits.get(name)?.missing();
  }

  async #decide(circuit: Circuit): Promise<void> {
    const { getBreaker, applyDecision, waits } = this.#deps;
    // It asks again when it is connected again.
    if (this.#closing || !circuit.isConnected) return;
    try {
      const breaker = await getBreaker(circuit.name);
      if (breaker !== undefined) applyDecision(circuit, breaker);
    } catch (error) {
      if (ConnectError.from(error).code === Code.NotFound) return circuit.missing();
      if (waits.stopped) return;
      await waits.backOff(1, error);
      this.requestDecision(circuit);
    }
  }
}

const toMessage = (name: string, { epoch, leaseId = "", runs }: Report): OutcomeReport =>
  create(OutcomeReportSchema, {
    name,
    epoch: BigInt(epoch),
    leaseId,
    runs: runs.map(({ outcome, slow, count }) => ({ outcome: Outcome[outcome], slow, count })),
  });
