import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { CallOptions } from "@connectrpc/connect";
import type { HeliosClient } from "./client.ts";
import { fromDuration } from "./spans.ts";

/** The answer of a module. */
export interface Invocation {
  /** A JSON value, or bytes if the method returned bytes. */
  readonly output: JsonValue | Uint8Array;
  /** The version that answered, and below its generation. */
  readonly version: string;
  readonly generation: number;
  /** The module that answered: the one that was called, or its fallback. */
  readonly answeredBy: string;
  /** The duration that the service measured, including the time that the call waited. */
  readonly durationMs: number;
}

export interface InvokeOptions extends CallOptions {
  /** Makes a retry safe; see `InvokeModuleRequest`. */
  readonly idempotencyKey?: string;
  /** A key such as a user's id. During a canary, calls with the same key get the same version. */
  readonly routingKey?: string;
}

/** Calls a method of a module with a JSON value or bytes. Throws the error of the service; see `errorInfo`. */
export async function invoke(
  client: HeliosClient,
  name: string,
  method: string,
  input: JsonValue | Uint8Array = null,
  { idempotencyKey = "", routingKey = "", ...callOptions }: InvokeOptions = {},
): Promise<Invocation> {
  const payload =
    input instanceof Uint8Array
      ? ({ case: "binary", value: input } as const)
      : ({ case: "json", value: fromJson(ValueSchema, input) } as const);
  const request = { name, method, input: payload, idempotencyKey, routingKey };
  const answer = await client.modules.invokeModule(request, callOptions);
  const { output, version, generation, answeredBy, duration } = answer;
  return {
    output: output.case === "json" ? toJson(ValueSchema, output.value) : (output.value ?? null),
    version,
    generation,
    answeredBy,
    durationMs: duration === undefined ? 0 : fromDuration(duration),
  };
}
