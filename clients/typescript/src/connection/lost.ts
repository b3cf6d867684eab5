import { Code, ConnectError, type StreamResponse, type Transport } from "@connectrpc/connect";

/** Of Node's errors: those by which a connection ends, or a server says that it did not begin with a call. */
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
/** Node's parser of HTTP/1.1 has many codes, one for each way in which an answer is malformed. */
const isLost = (code: string): boolean => LOST.has(code) || code.startsWith("HPE_");
/** How the runtime tells of a call that somebody reset, where Node has no error of its own. */
const RESET = /^http\/2 stream closed with error code (?:CANCEL|REFUSED_STREAM) |NGHTTP2_(?:CANCEL|REFUSED_STREAM)$/;

/**
 * A transport whose calls fail with UNAVAILABLE where the connection beneath them ended, however it did; with CANCELED
 * where all was ended here, which `ends` counts. The runtime says INTERNAL, ABORTED or CANCELED, by chance of what was
 * noticed first.
 */
export function withLosses({ unary, stream }: Transport, ends: () => number): Transport {
  return {
    unary: async (method, signal, ...rest) => {
      const before = ends();
      try {
        return await unary(method, signal, ...rest);
      } catch (error) {
        throw told(error, signal, ends() !== before);
      }
    },
    stream: async (method, signal, ...rest) => {
      const before = ends();
      const toTold = (error: unknown): unknown => told(error, signal, ends() !== before);
      try {
        const response = await stream(method, signal, ...rest);
        return { ...response, message: messages(response, toTold) } as typeof response;
      } catch (error) {
        throw toTold(error);
      }
    },
  };
}

/** As the response's, but for the error. */
function messages({ message }: Pick<StreamResponse, "message">, toTold: (error: unknown) => unknown) {
  return {
    [Symbol.asyncIterator]() {
      const inner = message[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            return await inner.next();
          } catch (error) {
            throw toTold(error);
          }
        },
      };
    },
  };
}

function told(error: unknown, signal: AbortSignal | undefined, wasEnded: boolean): unknown {
  if (!(error instanceof ConnectError) || signal?.aborted || !isLoss(error)) return error;
  const [problem, code] = wasEnded
    ? ["connection aborted", Code.Canceled]
    : [`the connection was lost: ${error.rawMessage}`, Code.Unavailable];
  return new ConnectError(problem, code, error.metadata, undefined, error);
}

function isLoss(error: ConnectError): boolean {
  if (error.code === Code.Unavailable || error.code === Code.DeadlineExceeded) return false;
  // What the service itself answered has details, or no error of Node beneath.
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 10; cause = cause.cause, depth += 1) {
    if ("code" in cause && typeof cause.code === "string" && isLost(cause.code)) return true;
    if (RESET.test(cause instanceof ConnectError ? cause.rawMessage : cause.message)) return true;
  }
  return false;
}
