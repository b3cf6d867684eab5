import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { CallOptions } from "@connectrpc/connect";
import type { HeliosClient } from "./client.ts";

/** What a module answered. */
export interface Invocation {
  /** A JSON value; bytes where the method returned bytes. */
  readonly output: JsonValue | Uint8Array;
  /** The version that answered, and its generation. */
  readonly version: string;
  readonly generation: number;
  /** The module that answered: the one called, or its fallback. */
  readonly answeredBy: string;
  /** As measured by the service, waiting included. */
  readonly durationMs: number;
}

export interface InvokeOptions extends CallOptions {
  /** Makes a retry safe; see InvokeModuleRequest. */
  readonly idempotencyKey?: string;
  /** Whom the call is for: calls with the same key get the same version while a new one answers some of the callers. */
  readonly routingKey?: string;
}

/** Calls a method of a module with a JSON value or bytes. Throws what the service answers; see `errorInfo`. */
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
    durationMs: duration === undefined ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1e6,
  };
}
