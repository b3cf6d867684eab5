import {
  create,
  createFileRegistry,
  type DescFile,
  type DescMessage,
  type DescMethod,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { EvaluationSchema, file_helios_v1_flag } from "../../../gen/helios/v1/flag_pb.ts";
import {
  EvaluateFlagsResponseSchema,
  FlagService,
  WatchFlagsResponseSchema,
} from "../../../gen/helios/v1/flag_service_pb.ts";
import { createPresence, withPresence } from "../../../src/server/interceptors/presence.ts";

/** Makes a call answer with that message, or stream it. */
async function answered<M extends Message>(method: DescMethod, message: M): Promise<M> {
  const stream = method.methodKind !== "unary";
  const once = async function* () {
    yield message;
  };
  const response = { stream, message: stream ? once() : message };
  const { message: sent } = await createPresence()(async () => response as never)({ method } as never);
  if (!stream) return sent as M;
  for await (const first of sent as AsyncIterable<M>) return first;
  throw new Error("nothing was streamed");
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** Field 2 of a message, a varint with the value 0. */
const WRITTEN_OUT = "1000";

describe("a false value in an answer", () => {
  it("is written in every position, like true", async () => {
    const evaluations = [true, false].map((enabled) => ({ name: "f", enabled }));
    const answer = create(EvaluateFlagsResponseSchema, { evaluations });
    const sent = await answered(FlagService.method.evaluateFlags, answer);
    const [on, off] = sent.evaluations.map((each) => hex(toBinary(EvaluationSchema, each)));
    expect(on).toBe("0a01661001");
    expect(off).toBe(`0a0166${WRITTEN_OUT}`);
  });

  it("is written in the frames of a stream", async () => {
    const frame = { case: "changes" as const, value: { changes: [{ change: { case: "put" as const, value: {} } }] } };
    const sent = await answered(FlagService.method.watchFlags, create(WatchFlagsResponseSchema, { frame }));
    expect(hex(toBinary(WatchFlagsResponseSchema, sent))).toContain(WRITTEN_OUT);
  });

  it("is written once, for any number of readers of the message", async () => {
    const evaluation = create(EvaluationSchema, { name: "f" });
    const answer = create(EvaluateFlagsResponseSchema, { evaluations: [evaluation, evaluation] });
    await answered(FlagService.method.evaluateFlags, answer);
    await answered(FlagService.method.evaluateFlags, answer);
    expect(hex(toBinary(EvaluationSchema, evaluation))).toBe(`0a0166${WRITTEN_OUT}`);
  });

  it("has presence in the schema that reflection shows, as no other field has", () => {
    const file = [...importsFirst(file_helios_v1_flag)].map(withPresence);
    const shown = createFileRegistry(create(FileDescriptorSetSchema, { file }));
    const optional = (desc: DescMessage | undefined): string[] =>
      (desc?.fields ?? []).filter(({ proto }) => proto.proto3Optional).map(({ name }) => name);
    expect(optional(shown.getMessage("helios.v1.Evaluation")).sort()).toEqual(
      [...optional(EvaluationSchema), "enabled"].sort(),
    );
    expect(optional(EvaluationSchema)).not.toContain("enabled");
  });
});

function importsFirst(file: DescFile, found = new Set<DescFile>()): Set<DescFile> {
  for (const imported of file.dependencies) importsFirst(imported, found);
  return found.add(file);
}
