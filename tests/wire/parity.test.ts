import type { DescMethod } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { SOAK, soakUnless } from "../support/soak.ts";
import { comparable } from "./comparable.ts";
import { SCRIPT } from "./script.ts";
import { startTwins, type Twins } from "./twins.ts";
import { UNUSUAL, type Unusual } from "./unusual.ts";
import { bodyOf, sentAs, WAYS } from "./ways.ts";

const METHODS = [...SERVICES, Health]
  .flatMap(({ methods }) => methods)
  .filter(({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming");

/** The ways that `npm test` runs. */
const REPRESENT: readonly string[] = ["gRPC", "Connect with JSON over HTTP/1.1"];

/** One call of each kind: that reads one thing or many, that writes, that watches, that runs a module, and that is not ours. */
const KINDS = ["EvaluateFlag", "ListFlags", "DeleteFlag", "WatchBreakers", "InvokeModule", "Check"].map(rpcOf);

function rpcOf(name: string): DescMethod {
  const rpc = METHODS.find((one) => one.name === name);
  if (rpc === undefined) throw new Error(`there is no ${name}`);
  return rpc;
}

// A call that Helios serves itself, and the same call through Connect. docs/architecture.md says which calls are which.
for (const way of WAYS)
  describe(`a call by ${way.name}`, soakUnless(REPRESENT.includes(way.name)), () => {
    let twins: Twins;
    beforeAll(async () => {
      twins = await startTwins();
    });
    afterAll(() => twins.close());

    it("takes two paths", async () => {
      // Its answer is large enough to be packed.
      const rpc = rpcOf("ListSuites");
      const packed = { "accept-encoding": "gzip" };
      const { direct, connect } = await twins.ask(sentAs(way, rpc, bodyOf(way, rpc, {}), { headers: packed }));
      const mark = way.httpVersion === "2" ? "date" : "content-encoding";
      expect(connect.headers).toHaveProperty(mark);
      expect(direct.headers).not.toHaveProperty(mark);
    });

    it.each(SCRIPT)("has the same answer on both: %s %j", async (name, request) => {
      const rpc = rpcOf(name);
      const { direct, connect } = await twins.ask(sentAs(way, rpc, bodyOf(way, rpc, request)));
      expect(comparable(rpc, direct)).toEqual(comparable(rpc, connect));
    });

    const expectSame = async (rpcs: readonly DescMethod[], of: Unusual["of"]): Promise<void> => {
      for (const rpc of rpcs) {
        const sent = of(way, rpc);
        if (sent === undefined) continue;
        const { direct, connect } = await twins.ask(sent);
        expect([rpc.name, comparable(rpc, direct)]).toEqual([rpc.name, comparable(rpc, connect)]);
      }
    };

    it.each(UNUSUAL)("has the same answer on both, of whatever kind it is: $what", ({ of }) => expectSame(KINDS, of));

    it.runIf(REPRESENT.includes(way.name)).each(UNUSUAL)(
      "has the same answer on both, whatever it calls: $what",
      SOAK,
      ({ of }) => expectSame(METHODS, of),
    );
  });
