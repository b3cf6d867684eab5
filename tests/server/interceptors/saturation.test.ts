import {
  type DescField,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageInitShape,
  ScalarType,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { BreakerSchema } from "../../../gen/helios/v1/breaker_pb.ts";
import { BreakerService } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { SERVICES } from "../../../src/server/contract.ts";
import { createSaturation } from "../../../src/server/interceptors/saturation.ts";
import { toBreaker } from "../../../src/server/map/breaker.ts";
import { make, whole } from "../../../src/server/map/message.ts";
import { rig } from "../../core/breakers/rig.ts";
import { MAPPED, MAPS, type Mapped } from "./mapped.ts";

const NUMBERS = [
  0,
  -1,
  0.5,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  5_000_000_000,
  2 ** 53 + 2,
  2 ** 63,
  2 ** 64,
  -(2 ** 70),
  1e300,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];

const RANGES: Readonly<Partial<Record<ScalarType, readonly [bigint, bigint]>>> = {
  [ScalarType.INT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SINT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.UINT32]: [0n, 2n ** 32n - 1n],
  [ScalarType.INT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SINT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.UINT64]: [0n, 2n ** 64n - 1n],
};
const BIG: readonly unknown[] = [ScalarType.INT64, ScalarType.SINT64, ScalarType.UINT64];

/** The value that a field must have for a number, computed independently of the tested code. */
function expected(scalar: ScalarType, value: number): bigint {
  const [least, most] = RANGES[scalar] ?? [0n, 0n];
  if (Number.isNaN(value)) return 0n;
  // A double beyond the range of signed 64 bits becomes the end of the range.
  const limit = 2n ** 63n;
  const exact = Math.abs(value) >= 2 ** 63 ? (value > 0 ? limit - 1n : -limit) : BigInt(Math.trunc(value));
  return exact < least ? least : exact > most ? most : exact;
}

const WELL_KNOWN = "google.protobuf.";

/** Every message type inside the given ones, including these. */
function typesBelow(roots: Iterable<DescMessage>): Set<DescMessage> {
  const found = new Set<DescMessage>();
  const visit = (desc: DescMessage): void => {
    if (found.has(desc) || desc.typeName.startsWith(WELL_KNOWN)) return;
    found.add(desc);
    for (const { message } of desc.fields) if (message !== undefined) visit(message);
  };
  for (const root of roots) visit(root);
  return found;
}

const ANSWERS = SERVICES.flatMap(({ methods }) => methods.map(({ output }) => output));
const isWhole = ({ scalar, fieldKind, mapKind }: DescField & { mapKind?: string }): boolean =>
  scalar !== undefined && RANGES[scalar] !== undefined && (fieldKind !== "map" || mapKind === "scalar");
const FIELDS = [...typesBelow(ANSWERS)].flatMap((desc) =>
  desc.fields.filter(isWhole).map((field) => [`${desc.typeName}.${field.name}`, desc, field] as const),
);

/** A message in which the field has that value: single, in a list, in a map or in a oneof. */
function holding(field: DescField, value: unknown): Record<string, unknown> {
  const { localName, fieldKind, oneof } = field;
  if (oneof !== undefined) return { [oneof.localName]: { case: localName, value } };
  if (fieldKind === "list") return { [localName]: [value] };
  return { [localName]: fieldKind === "map" ? { key: value } : value };
}

function heldIn(field: DescField, message: Message): unknown {
  const { localName, fieldKind, oneof } = field;
  const fields = message as unknown as Record<string, unknown>;
  if (oneof !== undefined) return (fields[oneof.localName] as { value: unknown }).value;
  const value = fields[localName];
  if (fieldKind === "list") return (value as unknown[])[0];
  return fieldKind === "map" ? (value as Record<string, unknown>).key : value;
}

/** The message as a reader receives it. */
function read<Desc extends DescMessage>(desc: Desc, message: Message): Message {
  toJsonString(desc, message as never);
  return fromBinary(desc, toBinary(desc, message as never));
}

describe("an integer in an answer", () => {
  it("is checked in each answer of the contract", () => {
    const names = FIELDS.map(([name]) => name.replace("helios.v1.", ""));
    const some = [
      "ShadowReport.mirrored",
      "TestCounts.passed",
      "DomainStatus.by_state",
      "Status.watches_total",
      "ReloadFlagsResponse.passed_over_total",
      "InvokeModuleResponse.generation",
      "ModuleUsage.heap_used_bytes",
    ];
    expect(names).toEqual(expect.arrayContaining(some));
  });

  it.each(FIELDS)("%s is replaced by the limit of its field if it exceeds that", (_, desc, field) => {
    const scalar = field.scalar as ScalarType;
    for (const value of NUMBERS) {
      const given = BIG.includes(scalar) ? whole(value) : value;
      const received = heldIn(field, read(desc, make(desc, holding(field, given) as MessageInitShape<typeof desc>)));
      expect(BigInt(received as number), String(value)).toBe(expected(scalar, value));
    }
  });

  it("is limited also in answers that a service builds itself, single and streamed", async () => {
    const frames = [4_294_967_296, Number.NaN].map((number) => ({
      frame: { case: "testStarted" as const, value: { name: "t", number, totalTests: number } },
    }));
    const routes = (router: ConnectRouter): void => {
      router.service(BreakerService, { resetAllBreakers: () => ({ breakersTotal: 2 ** 33 }) });
      router.service(TestService, {
        runTests: async function* () {
          yield* frames;
        },
      });
    };
    const transport = createRouterTransport(routes, { router: { interceptors: [createSaturation()] } });
    const { breakersTotal } = await createClient(BreakerService, transport).resetAllBreakers({});
    expect(breakersTotal).toBe(2 ** 32 - 1);
    const received: unknown[] = [];
    for await (const { frame } of createClient(TestService, transport).runTests({ name: "m" }))
      received.push(frame.value);
    expect(received).toMatchObject([
      { number: 2 ** 32 - 1, totalTests: 2 ** 32 - 1 },
      { number: 0, totalTests: 0 },
    ]);
  });
});

/** The same value with each number replaced, except in free-form JSON, which is stored unchanged. */
function grown<T>(value: T, number: number): T {
  if (typeof value === "number") return number as T;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => grown(one, number)) as T;
  const isFree = (key: string): boolean => ["config", "value", "input", "output", "metadata"].includes(key);
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      isFree(key) && !("jitter" in Object(one)) ? one : grown(one, number),
    ]),
  ) as T;
}

describe("a function that maps the engine's state to a message", () => {
  const mappers = Object.values(MAPS).flatMap((map) => Object.keys(map).filter((name) => /^to[A-Z]/.test(name)));

  it("is listed in the table of tested functions", () => {
    expect(Object.keys(MAPPED).sort()).toEqual(mappers.sort());
  });

  it.each(Object.entries(MAPPED))("%s accepts any numbers", (_, { desc, sample, map }: Mapped) => {
    for (const number of NUMBERS) {
      const message = make(desc, map(grown(sample, number) as never) as MessageInitShape<typeof desc>);
      expect(() => read(desc, message), String(number)).not.toThrow();
    }
  });
});

describe("the counts of a breaker", () => {
  it("are limited to the range of their fields after five reports of a thousand million failures", async () => {
    const { breakers } = await rig();
    await breakers.getOrCreate("api", { failureThreshold: 1_000_000, warmUpMs: 86_400_000 });
    const runs = Array.from({ length: 1000 }, () => ({ outcome: "FAILURE", slow: true, count: 1_000_000 }) as const);
    for (let seq = 1; seq <= 5; seq += 1) breakers.report("a", seq, [{ name: "api", epoch: 1, runs }]);
    const counts = { consecutiveFailures: 2 ** 32 - 1, failures: 5_000_000_000n };
    expect(read(BreakerSchema, toBreaker(breakers.get("api")))).toMatchObject({ counts });
  });
});
