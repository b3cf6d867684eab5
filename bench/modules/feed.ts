import type { HeliosModule, ModuleContext } from "../../src/core/modules/api.ts";

interface State {
  readonly next: number;
  readonly failures: Readonly<Record<string, number>>;
}

/**
 * Sends one order after the other of its own accord, as docs/swaps.md explains. With `config.eager` it also tries when
 * it must not: before it serves, and after it has been retired.
 */
export default class Feed implements HeliosModule {
  static readonly stateSchema = 1;
  static readonly pureMethods = ["status"];
  readonly #ctx: ModuleContext;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();
  #isSending = false;
  #next = 1;
  #failures: Record<string, number> = {};

  constructor(ctx: ModuleContext) {
    this.#ctx = ctx;
  }

  start(): void {
    const { config, version } = this.#ctx;
    this.#ctx.onServe(() => {
      this.#timer = setInterval(() => this.#tick(), Number(config.everyMs));
    });
    this.#ctx.onRetire(() => {
      clearInterval(this.#timer);
      if (config.eager) void this.#place(`late ${version}`).catch(() => {});
    });
    if (config.eager) void this.#place(`early ${version}`).catch(() => {});
  }

  health(): void {
    if (this.#ctx.config.sick) throw new Error("it is sick");
  }

  /** The number of the next order, and the module's own failures by code. */
  async status(): Promise<State> {
    return { next: this.#next, failures: this.#failures };
  }

  /** Stops sending. Returns the state after the last order. */
  async halt(): Promise<State> {
    clearInterval(this.#timer);
    await this.#sending;
    return this.status();
  }

  exportState(): State {
    return { next: this.#next, failures: this.#failures };
  }

  importState({ next, failures }: State): void {
    this.#next = next;
    this.#failures = { ...failures };
  }

  #tick(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#sending = this.#send().finally(() => {
      this.#isSending = false;
    });
  }

  async #send(): Promise<void> {
    try {
      await this.#place(String(this.#next));
      this.#next += 1;
    } catch (error) {
      const { code = "NONE" } = error as { code?: string };
      this.#failures[code] = (this.#failures[code] ?? 0) + 1;
    }
  }

  async #place(id: string): Promise<void> {
    const { name, version } = this.#ctx;
    await this.#ctx.call("exchange", "place", { id: `${name}/${id}`, by: version });
  }
}
