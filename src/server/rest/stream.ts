import type { JsonValue } from "@bufbuild/protobuf";
import { type Clock, oneJsonLine, type Timer } from "../../core/index.ts";
import type { Failure } from "./failure.ts";
import { drained, type HttpResponse } from "./http.ts";

/** Many programs treat more characters as a line end than these formats do. */
const lineOf = (json: unknown): string => oneJsonLine(JSON.stringify(json));

/** How the messages of a stream are written. */
export interface StreamForm {
  readonly contentType: string;
  message(json: JsonValue): string;
  failure(failure: Failure): string;
  /** A text that shows that the stream is alive. Empty if the format has none. */
  readonly keepAlive: string;
}

/**
 * Silence after which a comment is sent on a stream of server-sent events, because proxies cut longer silence (nginx
 * after 60 s). @limit ms
 */
export const KEEP_ALIVE_MS = 15_000;

/** One line of JSON for each message (https://github.com/ndjson/ndjson-spec). An error is the last line. */
export const NDJSON: StreamForm = {
  contentType: "application/x-ndjson",
  message: (json) => `${lineOf(json)}\n`,
  failure: ({ body }) => `${lineOf(body)}\n`,
  keepAlive: "",
};

/**
 * Server-sent events (HTML Living Standard, 9.2). A message's resume token is the id of its event; a browser sends it again
 * when it reconnects. An error is an event of type `failure`, because browsers use `error` for a lost connection.
 */
export const EVENTS: StreamForm = {
  contentType: "text/event-stream",
  message: (json) => `${idOf(json)}data: ${lineOf(json)}\n\n`,
  failure: ({ body }) => `event: failure\ndata: ${lineOf(body)}\n\n`,
  keepAlive: ": still there\n\n",
};

function idOf(json: JsonValue): string {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "";
  const { resume_token: token } = json;
  return typeof token === "string" && token !== "" ? `id: ${token}\n` : "";
}

/** `X-Accel-Buffering` prevents nginx from buffering. The other headers do the same for other proxies and caches. */
function begin(response: HttpResponse, { contentType }: StreamForm): void {
  if (response.headersSent) return;
  response.writeHead(200, {
    "content-type": contentType,
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
  });
}

/** Answers HEAD. */
export function endAsHead(response: HttpResponse, form: StreamForm): void {
  begin(response, form);
  response.end();
}

/**
 * Writes messages as they come, but no faster than the client reads. An error before the first message is thrown, and
 * becomes the answer. A later error is written as the last message.
 */
export async function writeStream(
  response: HttpResponse,
  form: StreamForm,
  messages: AsyncIterable<JsonValue>,
  toFailure: (error: unknown) => Failure,
  clock: Clock,
): Promise<void> {
  const keptAlive = keepAlive(response, form, clock);
  try {
    for await (const json of messages) {
      begin(response, form);
      keptAlive.spoke();
      if (!response.write(form.message(json))) await drained(response);
      if (response.destroyed) return;
    }
  } catch (error) {
    if (!response.headersSent) throw error;
    response.write(form.failure(toFailure(error)));
  } finally {
    keptAlive.stop();
  }
  begin(response, form);
  response.end();
}

/** Writes a sign of life when the stream was silent for `KEEP_ALIVE_MS`. */
function keepAlive(response: HttpResponse, form: StreamForm, clock: Clock): { spoke(): void; stop(): void } {
  if (form.keepAlive === "") return { spoke() {}, stop() {} };
  let timer: Timer;
  const wait = (): void => {
    timer = clock.setTimer(KEEP_ALIVE_MS, () => {
      begin(response, form);
      if (!response.destroyed && !response.writableNeedDrain) response.write(form.keepAlive);
      wait();
    });
  };
  wait();
  return {
    spoke() {
      timer.cancel();
      wait();
    },
    stop: () => timer.cancel(),
  };
}
