import { constants } from "node:http2";
import type { Clock } from "../../core/index.ts";
import { MAX_REFUSED_REQUEST_MS } from "./limits.ts";
import type { RequestHandler } from "./request-handler.ts";

/**
 * Reads the rest of a request that is answered already, and discards it. Otherwise, the client, still writing, might see a closed
 * connection or a reset stream instead of the answer. After `MAX_REFUSED_REQUEST_MS`, the request is ended.
 */
export function discardRest(request: Parameters<RequestHandler>[0], clock: Clock): void {
  if (request.readableEnded || request.destroyed) return;
  const enough = clock.setTimer(MAX_REFUSED_REQUEST_MS, () => {
    // An HTTP/1.1 connection may belong to another call by then.
    if (request.complete) return;
    // RFC 9113, 8.1: without an error, because the answer is complete.
    if ("stream" in request) request.stream.close(constants.NGHTTP2_NO_ERROR);
    else request.destroy();
  });
  request.once("end", () => enough.cancel());
  request.once("close", () => enough.cancel());
  request.resume();
}
