import type { ServerHttp2Session } from "node:http2";

/**
 * Pings a connection from time to time and cuts it when nothing comes in for so long after a ping: its peer is gone. A
 * slow one, whose answer is stuck behind data, still says that it has taken some. Returns what stops it.
 */
export function keepAlive(session: ServerHttp2Session, intervalMs: number, timeoutMs: number): () => void {
  let answerDue: NodeJS.Timeout | undefined;
  const answered = (): void => {
    clearTimeout(answerDue);
    answerDue = undefined;
  };
  const judge = (readBefore: number): void => {
    // What came in while this process itself stood still is read before the verdict.
    setImmediate(() => {
      if (answerDue === undefined || session.destroyed) return;
      if (session.socket.bytesRead === readBefore) session.destroy();
      else answered();
    });
  };
  const interval = setInterval(() => {
    if (session.destroyed || answerDue !== undefined) return;
    answerDue = setTimeout(judge, timeoutMs, session.socket.bytesRead);
    session.ping(answered);
  }, intervalMs);
  interval.unref();
  return () => {
    clearInterval(interval);
    answered();
  };
}
