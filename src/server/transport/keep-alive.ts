import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { type Clock, setRepeatingTimer, type Timer } from "../../core/index.ts";

/**
 * Pings a silent connection regularly, and closes it if nothing arrives in time after a ping: the client is gone. A slow
 * client, whose answer waits behind data, still acknowledges some of the data. Returns a function that stops the pings.
 */
export function keepAlive(
  clock: Clock,
  session: ServerHttp2Session,
  socket: Socket,
  intervalMs: number,
  timeoutMs: number,
): () => void {
  let answerDue: Timer | undefined;
  const answered = (): void => {
    answerDue?.cancel();
    answerDue = undefined;
  };
  const judge = (readBefore: number): void => {
    // Data that arrived while this process was suspended is read before the decision.
    setImmediate(() => {
      if (answerDue === undefined || session.destroyed) return;
      if (socket.bytesRead === readBefore) session.destroy();
      else answered();
    });
  };
  const interval = setRepeatingTimer(clock, intervalMs, () => {
    if (session.destroyed || answerDue !== undefined) return;
    const { bytesRead } = socket;
    answerDue = clock.setTimer(timeoutMs, () => judge(bytesRead));
    session.ping(answered);
  });
  return () => {
    interval.cancel();
    answered();
  };
}
