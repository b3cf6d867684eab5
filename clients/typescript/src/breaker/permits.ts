import type { AcquirePermitResponse } from "../../../../gen/helios/v1/breaker_service_pb.ts";
import type { Outcome } from "../../../../src/kernel/breakers/machine.ts";
import type { Circuit, CircuitDeps } from "./circuit.ts";
import { NO_EPOCH } from "./pending.ts";
import { type BreakerPermit, type Grant, type Granter, Permit } from "./permit.ts";
import { toNotice } from "./service-breaker.ts";

export interface PermitsDeps extends Pick<CircuitDeps, "report" | "requestDecision"> {
  /** Asks the service for a permit. Rejects if no answer arrives in time. */
  readonly ask: (name: string) => Promise<AcquirePermitResponse>;
}

/** The era of permits that the client's own machine did not decide. */
const NO_ERA = -1;

/** Gives the permits for the calls of one circuit, and takes the outcomes of these calls. */
export class Permits implements Granter {
  readonly #circuit: Circuit;
  readonly #deps: PermitsDeps;
  #leases = 0;

  constructor(circuit: Circuit, deps: PermitsDeps) {
    this.#circuit = circuit;
    this.#deps = deps;
  }

  get isTimed(): boolean {
    return this.#circuit.config.slowCallRate !== null;
  }

  now(): number {
    return this.#circuit.now();
  }

  tryAcquire(): BreakerPermit | null {
    const circuit = this.#circuit;
    if (circuit.rule.passesAll) return new Permit(this, circuit.era, circuit.rule.epoch);
    if (!circuit.isAlone) return null;
    this.#leases += 1;
    const leaseId = `own-${this.#leases}`;
    const { permit } = circuit.apply({ type: "acquire", leaseId, clientId: "" });
    return permit?.allowed ? new Permit(this, circuit.era, NO_EPOCH, undefined, permit.leaseId) : null;
  }

  /** Like `tryAcquire`, but if only probes may pass, it asks the service for one. A returned promise never rejects. */
  acquire(): BreakerPermit | null | Promise<BreakerPermit | null> {
    const circuit = this.#circuit;
    // If a person's decision lets every call pass, the automatic state beneath it still needs probes to close.
    const needsProbes = circuit.rule.passesAll && circuit.isHalfOpen && circuit.isConnected;
    if (!needsProbes) {
      const permit = this.tryAcquire();
      if (permit !== null || !circuit.isConnected || circuit.override !== undefined) return permit;
      const { state, retryAfterMs = 0 } = circuit.view();
      if (state === "OPEN" && retryAfterMs > 0) return null;
    }
    const mayAsk = circuit.probes.mayAsk(circuit.config.probeConcurrency, this.now());
    return mayAsk ? this.#ask() : this.tryAcquire();
  }

  settled({ era, epoch, leaseId, ownLeaseId }: Grant, outcome: Outcome, durationMs: number, now?: number): void {
    const circuit = this.#circuit;
    const slow = durationMs > circuit.config.slowCallDurationMs;
    let urgent = leaseId !== undefined;
    const counts = era === circuit.era && circuit.rule.learns;
    if (counts && circuit.count(outcome, slow, ownLeaseId, now) && circuit.isConnected) {
      urgent = true;
      this.#deps.requestDecision(circuit);
    }
    if (circuit.isStopped || circuit.override === "DISABLED") return;
    // Outcomes from the time without a connection say nothing about the time at which the service receives them.
    if (circuit.isConnected) circuit.pending.add(epoch, leaseId, outcome, slow);
    else circuit.pending.add(NO_EPOCH, undefined, outcome, slow);
    this.#deps.report(urgent);
  }

  released({ era, epoch, leaseId, ownLeaseId }: Grant): void {
    const circuit = this.#circuit;
    if (leaseId !== undefined) {
      if (!circuit.isConnected) return;
      // This outcome makes the service take the probe back.
      circuit.pending.add(epoch, leaseId, "IGNORED", false);
      this.#deps.report(true);
    } else if (ownLeaseId !== undefined && era === circuit.era) {
      circuit.apply({ type: "release", epoch: circuit.machine.epoch, leaseId: ownLeaseId });
    }
  }

  async #ask(): Promise<BreakerPermit | null> {
    const circuit = this.#circuit;
    const { probes, notices } = circuit;
    probes.asked();
    let answer: AcquirePermitResponse;
    try {
      answer = await this.#deps.ask(circuit.name);
    } catch {
      probes.refused(this.now());
      return this.tryAcquire();
    } finally {
      probes.answered();
    }
    const { allowed, leaseId } = answer;
    // Answers may overtake each other. If the answer to a report has arrived meanwhile, its isolation is newer.
    const isNews = notices === circuit.notices;
    if (!allowed) {
      probes.refused(this.now());
      if (answer.isolated && isNews) circuit.isolate(toNotice(answer));
      // The state may have changed meanwhile.
      return this.tryAcquire();
    }
    if (leaseId !== "") probes.leased(leaseId, this.now() + circuit.config.probeTimeoutMs);
    else if (isNews) circuit.isolate(undefined);
    return new Permit(this, NO_ERA, Number(answer.epoch), leaseId === "" ? undefined : leaseId);
  }
}
