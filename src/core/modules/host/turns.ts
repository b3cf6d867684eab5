import type { Readable } from "node:stream";

/**
 * Time for which the service takes what one module sends before others have their turn. @limit ms
 */
const TURN_MS = 5;

/** Takes what a stream brings, so that one that never runs dry does not keep the event loop from everything else. */
export function takeInTurns(stream: Readable, take: (chunk: Buffer) => void): void {
  let start: number | undefined;
  const endTurn = (): void => {
    start = undefined;
    if (stream.isPaused()) stream.resume();
  };
  stream.on("data", (chunk: Buffer) => {
    if (start === undefined) {
      start = performance.now();
      setImmediate(endTurn);
    }
    take(chunk);
    if (performance.now() - start > TURN_MS) stream.pause();
  });
}
