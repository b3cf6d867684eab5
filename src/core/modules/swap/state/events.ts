import type { StepName, SwapStep } from "../../record/report.ts";

/** A step of a swap begins or has ended. */
export type StepEvent =
  | { readonly type: "started"; readonly module: string; readonly name: StepName; readonly deadlineMs?: number }
  | { readonly type: "ended"; readonly module: string; readonly step: SwapStep };

/** An event of a swap. */
export type SwapEvent = { readonly type: "begun"; readonly swapId: string } | StepEvent;

/** Called with each event of a swap. */
export type SwapListener = (event: SwapEvent) => void;

/** The events of one swap. */
export interface SwapEvents {
  publish(event: SwapEvent): void;
  /** Calls `listener` with the past events, and then with each new one. The returned function removes the listener. */
  listen(listener: SwapListener): () => void;
}

export function createEvents(): SwapEvents {
  const past: SwapEvent[] = [];
  const listeners = new Set<SwapListener>();
  return {
    publish(event) {
      past.push(event);
      for (const listener of [...listeners]) listener(event);
    },
    listen(listener) {
      for (const event of past) listener(event);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
