import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { type Clock, setRepeatingTimer, type Timer } from "../../core/index.ts";

/**
 * Pings a connection from time to time and cuts it when nothing comes in for so long after a ping: its peer is gone. A
 * slow one, whose answer is stuck behind data, still says that it has taken some. Returns what stops it.
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
    // What came in while this process itself stood still is read before the verdict.
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
