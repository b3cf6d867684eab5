import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { onAbort } from "../../core/async/index.ts";
import type { Clock } from "../../core/index.ts";
import { PEER } from "../transport/peer.ts";

/** What calls with the same head have in common. */
export interface CallOrigin {
  readonly method: DescMethod;
  readonly protocolName: string;
  /** Path of the request. */
  readonly path: string;
  readonly authority: string;
  readonly scheme: string;
  /** Headers: names and values in turn. */
  readonly fields: readonly string[];
  /** Time that the caller waits, in ms. Undefined: for ever. */
  readonly timeoutMs: number | undefined;
}

/** The context of a call. What most calls never ask for is only created when it is asked for. */
export class CallContext implements HandlerContext {
  readonly method: DescMethod;
  readonly #origin: CallOrigin;
  readonly #peer: string;
  readonly #clock: Clock;
  readonly #start: number;
  #controller: AbortController | undefined;
  #values: ContextValues | undefined;
  #isAborted = false;
  #reason: unknown;
  #listeners: (() => void)[] = [];
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;

  constructor(origin: CallOrigin, peer: string, clock: Clock) {
    this.method = origin.method;
    this.#origin = origin;
    this.#peer = peer;
    this.#clock = clock;
    this.#start = origin.timeoutMs === undefined ? 0 : clock.monotonic();
  }

  get service(): DescService {
    return this.method.parent;
  }

  get protocolName(): string {
    return this.#origin.protocolName;
  }

  get requestMethod(): string {
    return "POST";
  }

  get url(): string {
    const { scheme, authority, path } = this.#origin;
    return `${scheme}://${authority}${path}`;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues().set(PEER, this.#peer);
    return this.#values;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  timeoutMs(): number | undefined {
    const { timeoutMs } = this.#origin;
    return timeoutMs === undefined ? undefined : this.#start + timeoutMs - this.#clock.monotonic();
  }

  get requestHeader(): Headers {
    if (this.#requestHeader !== undefined) return this.#requestHeader;
    const headers = new Headers();
    const { fields } = this.#origin;
    for (let at = 0; at < fields.length; at += 2) headers.append(fields[at] ?? "", fields[at + 1] ?? "");
    this.#requestHeader = headers;
    return headers;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  /** The headers that the service has set. Undefined if it has set none. */
  get givenHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  get givenTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** Ends the call for everybody who waits for its signal. Later reasons have no effect. */
  abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const run of listeners) run();
  }

  /** See `whenAborted`. */
  listen(run: () => void): () => void {
    if (this.#isAborted) {
      run();
      return () => {};
    }
    this.#listeners.push(run);
    return () => {
      this.#listeners = this.#listeners.filter((one) => one !== run);
    };
  }
}

/**
 * Calls `run` when the call is aborted, or now if it already is. The returned function stops that. Thousands of open calls wait
 * for this, and a signal takes more memory than the rest of a call.
 */
export function whenAborted(context: HandlerContext, run: () => void): () => void {
  return context instanceof CallContext ? context.listen(run) : onAbort(context.signal, run);
}
