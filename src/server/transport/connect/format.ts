import { fromBinary, fromJson, fromJsonString, type Message, type Registry, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { messageOf } from "../../../core/index.ts";
import type { Route } from "../../calls/route.ts";
import type { Init } from "../../calls/runner.ts";
import { checkJson, jsonText } from "../../http/strict-json.ts";
import { encoderOf } from "../../map/encode/encoder.ts";
import { make } from "../../map/message.ts";

/** How messages are written. */
export interface Format {
  readonly contentType: string;
  /** Throws ConnectError for a body that is not such a message. */
  decode(route: Route, body: Buffer): Message;
  encode(route: Route, answer: Init): string | Uint8Array;
}

/** Content types of unary calls (Connect protocol, "Unary-Content-Type"). Another charset of JSON is not accepted here. */
const JSON_TYPE = /^application\/json(?:; ?charset=utf-?8)?$/i;

/** Returns the function that finds the format for a content type. */
export function createFormats(registry: Registry | undefined): (contentType: string) => Format | undefined {
  const known = registry === undefined ? {} : { registry };
  const json: Format = {
    contentType: "application/json",
    decode({ method: { input } }, body) {
      const value = checkJson(input, body);
      const options = { ignoreUnknownFields: false, ...known };
      try {
        return value === undefined ? fromJsonString(input, jsonText(body), options) : fromJson(input, value, options);
      } catch (error) {
        throw ConnectError.from(error, Code.InvalidArgument);
      }
    },
    // Values that are false, 0 or empty are part of an answer too.
    encode: ({ method: { output } }, answer) =>
      toJsonString(output, make(output, answer), { alwaysEmitImplicit: true, ...known }),
  };
  const binary: Format = {
    contentType: "application/proto",
    decode({ method: { input } }, body) {
      try {
        return fromBinary(input, body);
      } catch (error) {
        throw new ConnectError(`parse binary: ${messageOf(error)}`, Code.InvalidArgument);
      }
    },
    encode: ({ method: { output } }, answer) => encoderOf(output)(answer),
  };
  return (contentType) => {
    if (contentType === "application/json" || JSON_TYPE.test(contentType)) return json;
    return contentType === "application/proto" ? binary : undefined;
  };
}
