import { Code, ConnectError } from "@connectrpc/connect";
import type { WatchFlagsResponse } from "../../../../gen/helios/v1/flag_service_pb.ts";
import { Part } from "../../../../gen/helios/v1/status_service_pb.ts";
import { OnCompacted } from "../../../../gen/helios/v1/watch_pb.ts";
import { pause } from "../../../../src/kernel/async/pause.ts";
import type { Clock } from "../../../../src/kernel/clock.ts";
import { KERNEL_VERSION } from "../../../../src/kernel/flags/version.ts";
import { ACKNOWLEDGE_TIMEOUT_MS, Acknowledger } from "../acknowledge.ts";
import type { HeliosClient } from "../client.ts";
import { toDuration } from "../spans.ts";
import { resumed, type WatchConnection } from "../watch.ts";
import type { ClientLog } from "./warnings.ts";

/** Time until a watch of flags is opened again after an error that a retry would repeat: the service may be another by then. @limit ms */
const AFTER_FINAL_ERROR_MS = 10_000;
/** Heartbeat interval that a client of flags asks for. @limit ms */
const HEARTBEAT_MS = 5000;
/** The version of the contract that this client was built from. */
const CONTRACT_VERSION = 1;
const LIBRARY = "helios-typescript/0.1.0";

export interface FlagStreamDeps {
  readonly client: HeliosClient;
  readonly clientId: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: ClientLog;
  /** A stream begins anew. */
  readonly restarted: () => void;
  /** A frame has come. */
  readonly frame: (frame: WatchFlagsResponse) => void;
  readonly cut: () => void;
  /** A call to the service has taken so long. */
  readonly roundTrip: (ms: number) => void;
}

/** Follows the flags of the service until it is closed: on one stream, which is opened again whenever it ends. */
export class FlagStream {
  readonly #deps: FlagStreamDeps;
  readonly #ending = new AbortController();
  readonly #following: Promise<void>;
  /** An earlier service has no WatchAll. */
  #hasAll = true;

  /** `resumeToken`: where to go on. Empty: with a snapshot. */
  constructor(deps: FlagStreamDeps, resumeToken: string) {
    this.#deps = deps;
    this.#following = this.#follow(resumeToken);
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#following;
  }

  async #follow(resumeToken: string): Promise<void> {
    const { clock, random, log, frame, cut } = this.#deps;
    const { signal } = this.#ending;
    const acknowledger = new Acknowledger((revision, watchId, call) => this.#acknowledge(revision, watchId, call));
    let token = resumeToken;
    while (!signal.aborted) {
      const options = {
        signal,
        resumeToken: token,
        random,
        now: () => clock.monotonic(),
        delay: (ms: number) => pause(clock, ms, signal),
        onConnection: ({ state }: WatchConnection) => {
          if (state === "disconnected") cut();
        },
      };
      try {
        const frames = resumed(
          (at, call) => this.#open(at, call),
          options,
          ({ revision }, watchId) => acknowledger.applied(revision, watchId),
        );
        for await (const one of frames) {
          frame(one);
          if (one.resumeToken !== "") token = one.resumeToken;
        }
      } catch (thrown) {
        cut();
        const error = ConnectError.from(thrown);
        if (error.code === Code.Unimplemented && this.#hasAll) {
          this.#hasAll = false;
          continue;
        }
        log("error", `the flags cannot be followed: ${error.message}`, { code: Code[error.code] });
        await pause(clock, AFTER_FINAL_ERROR_MS, signal).catch(() => {});
      }
    }
    acknowledger.stop();
  }

  async *#open(resumeToken: string, signal: AbortSignal): AsyncGenerator<WatchFlagsResponse, void, undefined> {
    const { client, clientId, restarted } = this.#deps;
    restarted();
    const request = {
      clientId,
      client: { library: LIBRARY, contractVersion: CONTRACT_VERSION, kernelVersion: KERNEL_VERSION },
      heartbeatInterval: toDuration("heartbeatInterval", HEARTBEAT_MS),
      onCompacted: OnCompacted.SNAPSHOT,
    };
    if (!this.#hasAll) {
      yield* client.flags.watchFlags({ ...request, resumeToken }, { signal });
      return;
    }
    const all = { ...request, parts: [Part.FLAGS], resumeTokens: { flags: resumeToken } };
    for await (const { part } of client.status.watchAll(all, { signal })) if (part.case === "flags") yield part.value;
  }

  async #acknowledge(revision: bigint, watchId: string, signal: AbortSignal): Promise<void> {
    const { client, clientId, clock, roundTrip } = this.#deps;
    const start = clock.monotonic();
    await client.status.ackRevision({ clientId, revision, watchId }, { signal, timeoutMs: ACKNOWLEDGE_TIMEOUT_MS });
    roundTrip(clock.monotonic() - start);
  }
}
