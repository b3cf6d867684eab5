import { type Clock, systemClock, type Timer } from "../../../src/kernel/clock.ts";
import { type Breakers, createBreakers } from "./breaker/breakers.ts";
import { createHeliosClient, type HeliosClient, type HeliosClientOptions } from "./client.ts";
import type { FlagContext } from "./flags/context.ts";
import { createFlags, type HeliosFlags } from "./flags/flags.ts";
import { FlagFrames } from "./flags/follow.ts";
import { LocalFlags } from "./flags/local.ts";
import { ServiceClock } from "./flags/service-clock.ts";
import { FlagStream } from "./flags/stream.ts";
import { Usage } from "./flags/usage.ts";
import { type ClientLog, Warnings } from "./flags/warnings.ts";
import { SnapshotFile } from "./snapshot/file.ts";
import type { Snapshot } from "./snapshot/format.ts";
import { checkOptionalSpan, checkSpan, toDuration } from "./spans.ts";

/** Time that `ready()` waits, unless its argument says otherwise. @limit ms */
const READY_MS = 5000;
/** Time after which the snapshot file is written without a change, so that it says when the flags were last confirmed. @limit ms */
const CONFIRM_MS = 60_000;
/** Period that a report of usage says that it covers, at most; after a longer outage it covers more. @limit ms */
const MAX_PERIOD_MS = 86_400_000;
/** Time that a report of usage may take. @limit ms */
const USAGE_TIMEOUT_MS = 5000;

export interface ConnectOptions extends Omit<HeliosClientOptions, "baseUrl"> {
  /** The context of every decision. A field of the decision's own context takes precedence. Its default `sessionId`: the client's id. */
  readonly context?: FlagContext;
  /** Where to keep the flags for a start without the service. Default: they are not kept. */
  readonly snapshotFile?: string;
  /** Age in ms beyond which that file is ignored. Default: Infinity. */
  readonly maxSnapshotAgeMs?: number;
  /** Whether to report how often flags were asked for, about once a minute. Default: true. */
  readonly reportUsage?: boolean;
  /** Receives what operators should know. It must not throw. Default: `console.warn` for warnings and errors. */
  readonly log?: ClientLog;
  /** For tests. */
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly newId?: () => string;
}

/** Everything that a service needs of Helios. */
export interface Helios {
  readonly flags: HeliosFlags;
  /** Circuit breakers that decide in this process. */
  readonly breakers: Pick<Breakers, "breaker">;
  /** The typed clients of all services. */
  readonly rpc: HeliosClient;
  /**
   * Resolves to true as soon as the service has sent its flags, and to false after `timeoutMs` (5 s; Infinity: never). It is not
   * necessary to wait for this: until then, decisions are made from the snapshot file, or have their defaults.
   */
  ready(options?: { readonly timeoutMs?: number }): Promise<boolean>;
  /** Reports what was counted, writes the snapshot file, and ends all connections. Never rejects. */
  close(): Promise<void>;
}

const logWarnings: ClientLog = (level, message) => {
  // biome-ignore lint/suspicious/noConsole: a program that gives no `log` must learn of problems, too.
  if (level !== "info") console.warn(`helios: ${message}`);
};

/**
 * Connects to Helios at that address, such as `http://127.0.0.1:8000`. It returns at once, also while the service is away, and
 * connects again whenever the connection is lost. Throws a TypeError that names a wrong option.
 */
export function connect(url: string, options: ConnectOptions = {}): Helios {
  const { clock = systemClock, random = Math.random, newId = () => crypto.randomUUID(), log = logWarnings } = options;
  const { snapshotFile, maxSnapshotAgeMs = Number.POSITIVE_INFINITY } = options;
  checkOptionalSpan("maxSnapshotAgeMs", maxSnapshotAgeMs, { mayBeInfinite: true });
  const clientId = options.clientId || newId();
  const client = createHeliosClient({ ...options, baseUrl: url, clientId });
  const serviceClock = new ServiceClock(clock);
  const usage =
    options.reportUsage === false ? undefined : new Usage({ clock, random, send: sender(client, clientId, newId()) });
  const local = new LocalFlags({
    clock,
    serviceNow: () => serviceClock.now(),
    context: { sessionId: clientId, ...options.context },
    warnings: new Warnings(clock, log),
    decided: ({ message }, evaluation) => usage?.count(message.name, evaluation),
    listenerFailed: (error) => log("error", "a listener to changes of flags has failed", { error: String(error) }),
  });
  const file =
    snapshotFile === undefined
      ? undefined
      : new SnapshotFile({ path: snapshotFile, url, maxAgeMs: maxSnapshotAgeMs, clock, log, newId });
  const waiting = new Set<() => void>();
  let roundTripMs = 0;
  let place = { revision: 0n, resumeToken: "" };
  let keptAt = Number.NEGATIVE_INFINITY;
  const latest = (): Snapshot => ({
    url,
    incarnation: "",
    ...place,
    confirmedAt: clock.now() - local.ageMs,
    flags: local.held.messages(),
  });
  const frames = new FlagFrames({
    flags: local,
    heardTime: (serviceMs) => serviceClock.heard(serviceMs, roundTripMs),
  });
  const open = (resumeToken: string): FlagStream =>
    new FlagStream(
      {
        ...{ client, clientId, clock, random, log },
        restarted: () => frames.restarted(),
        frame(frame) {
          const hasChanged = frames.apply(frame);
          if (frame.resumeToken !== "") place = { revision: frame.revision, resumeToken: frame.resumeToken };
          if (local.source !== "LIVE") return;
          for (const ready of waiting) ready();
          if (!hasChanged && clock.monotonic() - keptAt < CONFIRM_MS) return;
          keptAt = clock.monotonic();
          file?.changed(latest);
        },
        cut: () => local.cut(),
        roundTrip(ms) {
          roundTripMs = ms;
        },
      },
      resumeToken,
    );
  let isClosed = false;
  const begin = async (): Promise<FlagStream | undefined> => {
    const kept = await file?.read();
    if (isClosed) return undefined;
    if (kept === undefined) return open("");
    local.loaded(kept.snapshot.flags, kept.ageMs);
    log("info", `${kept.snapshot.flags.length} flags are from the snapshot file until the service answers`);
    return open(kept.snapshot.resumeToken);
  };
  const stream = begin();
  const breakers = createBreakers({ ...client, clientId }, { clock, random, newId });
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    isClosed = true;
    await (await stream)?.close();
    await Promise.all([file?.close(), usage?.close(), breakers.close()]);
    client.close();
  };
  return {
    flags: createFlags(local, client.flags, newId),
    breakers,
    rpc: client,
    ready({ timeoutMs = READY_MS } = {}) {
      checkSpan("timeoutMs", timeoutMs, { mayBeInfinite: true });
      if (local.source === "LIVE") return Promise.resolve(true);
      return new Promise((resolve) => {
        let timer: Timer | undefined;
        const end = (isReady: boolean): void => {
          waiting.delete(ready);
          timer?.cancel();
          resolve(isReady);
        };
        const ready = (): void => end(true);
        waiting.add(ready);
        timer = clock.setTimer(timeoutMs, () => end(false), true);
      });
    },
    close() {
      closed ??= close();
      return closed;
    },
  };
}

function sender(
  client: HeliosClient,
  clientId: string,
  reporterId: string,
): ConstructorParameters<typeof Usage>[0]["send"] {
  return (seq, periodMs, reports) =>
    client.flags.reportUsage(
      {
        ...{ clientId, reporterId, seq, period: toDuration("period", Math.min(periodMs, MAX_PERIOD_MS)) },
        reports: reports.map(({ name, answers }) => ({ name, answers: [...answers] })),
      },
      { timeoutMs: USAGE_TIMEOUT_MS },
    );
}
