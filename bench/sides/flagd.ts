import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { freePort, startProgram, until } from "../compare/program.ts";
import { REQUESTS, RULE } from "./flag.ts";
import { accepts, type Side } from "./side.ts";

export const RESOLVE_PATH = "/flagd.evaluation.v1.Service/ResolveBoolean";

/** `ResolveBooleanRequest { flag_key = 1; context = 2 }` for the same sessions. */
export const RESOLVE_REQUESTS: readonly Uint8Array[] = REQUESTS.map(({ context }) => {
  const targetingKey = { kind: { case: "stringValue" as const, value: context?.sessionId ?? "" } };
  const struct = toBinary(StructSchema, create(StructSchema, { fields: { targetingKey } }));
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(RULE.name);
  writer.tag(2, WireType.LengthDelimited).bytes(struct);
  return writer.finish();
});

/** The same flag in flagd's words. */
export const FLAGD_FLAGS = {
  flags: {
    [RULE.name]: {
      state: "ENABLED",
      variants: { on: true, off: false },
      defaultVariant: "off",
      targeting: {
        fractional: [
          ["on", RULE.percentage],
          ["off", 100 - RULE.percentage],
        ],
      },
    },
  },
};

/** flagd with its defaults, over a file. Undefined unless the environment variable FLAGD names the program. */
export function flagdSide(): Side | undefined {
  const { FLAGD: path } = process.env;
  if (path === undefined || path === "") return undefined;
  return {
    name: "flagd",
    async start(core) {
      const directory = await mkdtemp(join(tmpdir(), "helios-bench-"));
      const file = join(directory, "flags.json");
      await writeFile(file, JSON.stringify(FLAGD_FLAGS));
      const ports: [name: string, port: number][] = [];
      for (const name of ["port", "management-port", "sync-port", "ofrep-port"]) ports.push([name, await freePort()]);
      const options = ports.flatMap(([name, port]) => [`--${name}`, String(port)]);
      const program = startProgram([path, "start", "--uri", `file:${file}`, ...options], { core, isQuiet: true });
      const port = ports[0]?.[1] ?? 0;
      await until(() => accepts(port), program);
      return {
        port,
        program,
        async stop() {
          await program.stop();
          await rm(directory, { recursive: true, force: true });
        },
      };
    },
  };
}
