import { Code, ConnectError, type StreamResponse, type Transport } from "@connectrpc/connect";

/** Codes of Node's errors that mean that a connection ended, or that the server has not begun with a call. */
const LOST: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ERR_HTTP2_ERROR",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_CANCEL",
  "ERR_STREAM_PREMATURE_CLOSE",
]);
/** Node's parser of HTTP/1.1 has a code for each way in which an answer can be malformed. */
const isLost = (code: string): boolean => LOST.has(code) || code.startsWith("HPE_");
/** The runtime's message for a call that was reset without an error of Node. */
const RESET = /^http\/2 stream closed with error code (?:CANCEL|REFUSED_STREAM) |NGHTTP2_(?:CANCEL|REFUSED_STREAM)$/;

/**
 * Returns a transport whose calls fail with UNAVAILABLE if their connection ended for any reason, and with CANCELED if this
 * client ended it, which `ends` counts. The runtime alone would use INTERNAL, ABORTED or CANCELED, depending on what it
 * notices first.
 */
export function withLosses({ unary, stream }: Transport, ends: () => number): Transport {
  return {
    unary: async (method, signal, ...rest) => {
      const before = ends();
      try {
        return await unary(method, signal, ...rest);
      } catch (error) {
        throw lossOf(error, signal, ends() !== before);
      }
    },
    stream: async (method, signal, ...rest) => {
      const before = ends();
      const asLoss = (error: unknown): unknown => lossOf(error, signal, ends() !== before);
      try {
        const response = await stream(method, signal, ...rest);
        return { ...response, message: messages(response, asLoss) } as typeof response;
      } catch (error) {
        throw asLoss(error);
      }
    },
  };
}

/** Yields the messages of the response, but throws the right error. */
function messages({ message }: Pick<StreamResponse, "message">, asLoss: (error: unknown) => unknown) {
  return {
    [Symbol.asyncIterator]() {
      const inner = message[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            return await inner.next();
          } catch (error) {
            throw asLoss(error);
          }
        },
      };
    },
  };
}

function lossOf(error: unknown, signal: AbortSignal | undefined, wasEnded: boolean): unknown {
  if (!(error instanceof ConnectError) || signal?.aborted || !isLoss(error)) return error;
  const [problem, code] = wasEnded
    ? ["connection aborted", Code.Canceled]
    : [`the connection was lost: ${error.rawMessage}`, Code.Unavailable];
  return new ConnectError(problem, code, error.metadata, undefined, error);
}

function isLoss(error: ConnectError): boolean {
  if (error.code === Code.Unavailable || error.code === Code.DeadlineExceeded) return false;
  // An error that the service sent has no error of Node as its cause.
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 10; cause = cause.cause, depth += 1) {
    if ("code" in cause && typeof cause.code === "string" && isLost(cause.code)) return true;
    if (RESET.test(cause instanceof ConnectError ? cause.rawMessage : cause.message)) return true;
  }
  return false;
}
