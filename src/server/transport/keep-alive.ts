import type { ServerHttp2Session } from "node:http2";

/** Pings a connection from time to time and cuts it when no answer comes: its peer is gone. Returns what stops it. */
export function keepAlive(session: ServerHttp2Session, intervalMs: number, timeoutMs: number): () => void {
  let answerDue: NodeJS.Timeout | undefined;
  const interval = setInterval(() => {
    if (session.destroyed || answerDue !== undefined) return;
    answerDue = setTimeout(() => session.destroy(), timeoutMs);
    session.ping(() => {
      clearTimeout(answerDue);
      answerDue = undefined;
    });
  }, intervalMs);
  interval.unref();
  return () => {
    clearInterval(interval);
    clearTimeout(answerDue);
  };
}
