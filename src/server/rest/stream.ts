import type { JsonValue } from "@bufbuild/protobuf";
import type { Failure } from "./failure.ts";
import { drained, type HttpResponse } from "./http.ts";

/** How the messages of a stream are written. */
export interface StreamForm {
  readonly contentType: string;
  message(json: JsonValue): string;
  failure(failure: Failure): string;
}

/** A line of JSON for each message (https://github.com/ndjson/ndjson-spec); an error is the last one. */
export const NDJSON: StreamForm = {
  contentType: "application/x-ndjson",
  message: (json) => `${JSON.stringify(json)}\n`,
  failure: ({ body }) => `${JSON.stringify(body)}\n`,
};

/**
 * Server-sent events (HTML Living Standard, 9.2). Where a message has a token to resume from, that is the event's id,
 * which browsers send again when they reconnect. An error is an event of the type `failure`, since `error` is what
 * browsers call a connection that is lost.
 */
export const EVENTS: StreamForm = {
  contentType: "text/event-stream",
  message: (json) => `${idOf(json)}data: ${JSON.stringify(json)}\n\n`,
  failure: ({ body }) => `event: failure\ndata: ${JSON.stringify(body)}\n\n`,
};

function idOf(json: JsonValue): string {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "";
  const { resume_token: token } = json;
  return typeof token === "string" && token !== "" ? `id: ${token}\n` : "";
}

/**
 * Writes messages as they come, no faster than they are read. What they end in before the first of them is thrown: it is
 * the answer as a whole; later, it is the last that is written.
 */
export async function writeStream(
  response: HttpResponse,
  form: StreamForm,
  messages: AsyncIterable<JsonValue>,
  toFailure: (error: unknown) => Failure,
): Promise<void> {
  let begun = false;
  const begin = (): void => {
    if (begun) return;
    begun = true;
    response.writeHead(200, { "content-type": form.contentType, "cache-control": "no-store" });
  };
  try {
    for await (const json of messages) {
      begin();
      if (!response.write(form.message(json))) await drained(response);
      if (response.destroyed) return;
    }
  } catch (error) {
    if (!begun) throw error;
    response.write(form.failure(toFailure(error)));
  }
  begin();
  response.end();
}
