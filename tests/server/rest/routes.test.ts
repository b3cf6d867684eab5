import { describe, expect, it } from "vitest";
import { SERVICES } from "../../../src/server/contract.ts";
import { createRoutes, type Found } from "../../../src/server/rest/routes.ts";
import { parseTemplate } from "../../../src/server/rest/template.ts";

const { all, find } = createRoutes(SERVICES);
const P = "/api/modularity";

function summary(found: Found): unknown {
  if (found.kind !== "match") return found;
  return [found.match.route.rpc.name, Object.fromEntries(found.match.variables)];
}

describe("a path of the REST API", () => {
  it("leads to the RPC whose option has the path, with the values in it", () => {
    expect(summary(find("POST", `${P}/modules/a/load`))).toEqual(["LoadModule", { name: "a" }]);
    expect(summary(find("POST", `${P}/modules/a/invoke/predict`))).toEqual([
      "InvokeModule",
      { name: "a", method: "predict" },
    ]);
    expect(summary(find("PATCH", `${P}/feature-flags/f`))).toEqual(["UpdateFlag", { "flag.name": "f" }]);
  });

  it("is split before it is decoded, so that a name may have any character", () => {
    expect(summary(find("GET", `${P}/circuit-breakers/module%3Aa`))).toEqual(["GetBreaker", { name: "module:a" }]);
    expect(summary(find("GET", `${P}/circuit-breakers/a%2Fb`))).toEqual(["GetBreaker", { name: "a/b" }]);
    expect(() => find("GET", `${P}/circuit-breakers/%ff`)).toThrow(URIError);
  });

  it("is read as a name where a word could also be a name, except for verbs that only the name has", () => {
    expect(summary(find("GET", `${P}/modules/status`))).toEqual(["ListModules", {}]);
    expect(summary(find("GET", `${P}/modules/status/status`))).toEqual(["GetModule", { name: "status" }]);
    expect(summary(find("POST", `${P}/feature-flags/enable`))).toEqual(["EnableFlag", {}]);
    expect(summary(find("GET", `${P}/feature-flags/enable`))).toEqual(["EvaluateFlag", { name: "enable" }]);
  });

  it("knows its verbs, and is unknown if it has no verb", () => {
    expect(find("PUT", `${P}/status`)).toEqual({ kind: "verbs", verbs: ["GET"] });
    for (const path of [P, `${P}/`, `${P}/modules//load`, `${P}/status/`, "/", "", `${P}/nothing`]) {
      expect(find("GET", path)).toEqual({ kind: "none" });
    }
  });

  it("exists for every RPC, below one prefix", () => {
    const rpcs = SERVICES.flatMap(({ methods }) => methods);
    expect(rpcs.filter((rpc) => !all.some((route) => route.rpc === rpc)).map(({ name }) => name)).toEqual([]);
    expect(all.filter(({ path }) => !path.startsWith(`${P}/`))).toEqual([]);
  });

  it("exists for every name, even one that looks like another path", () => {
    const words = new Set(
      all.flatMap(({ segments }) => segments.flatMap((one) => (one.kind === "literal" ? [one.text] : []))),
    );
    const unreached: unknown[] = [];
    for (const rpc of new Set(all.map((route) => route.rpc))) {
      const ways = all.filter((route) => route.rpc === rpc);
      // One word for all variables of a path, and one for each.
      for (const [first, second] of [...words].flatMap((one) => [...words].map((other) => [one, other] as const))) {
        const reached = ways.some(({ verb, segments }) => {
          const names = [first, second];
          const path = segments.map((one) => (one.kind === "literal" ? one.text : names.shift()));
          const found = find(verb, `/${path.join("/")}`);
          return found.kind === "match" && found.match.route.rpc === rpc;
        });
        if (!reached) unreached.push([rpc.name, first, second]);
      }
    }
    expect(unreached).toEqual([]);
  });

  it("can be read by GET exactly if nothing changes", () => {
    const changing = ["AcquirePermit"];
    for (const { verb, rpc, path } of all) {
      const reads = rpc.idempotency === 1 || rpc.methodKind === "server_streaming";
      if (verb === "GET") expect([path, reads]).toEqual([path, true]);
      if (changing.includes(rpc.name)) expect([path, verb]).toEqual([path, "POST"]);
    }
  });
});

describe("a path template", () => {
  it.each(["no/slash", "/Upper", "/{Name}", "/{a}/{b", "/a//b", "/{a=**}", "/a:verb"])("%s is refused", (template) => {
    expect(() => parseTemplate(template)).toThrow(/path/);
  });
});
