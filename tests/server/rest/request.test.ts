import { createRegistry, type Message } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../src/core/index.ts";
import { SERVICES } from "../../../src/server/contract.ts";
import { maskedIn } from "../../../src/server/rest/mask.ts";
import { readRequest } from "../../../src/server/rest/request.ts";
import { createRoutes } from "../../../src/server/rest/routes.ts";

const routes = createRoutes(SERVICES);
const registry = createRegistry(...SERVICES);

/** The message that results from a request to `/api/modularity` + `target`. */
function read(verb: string, target: string, body: unknown = ""): Message & Record<string, unknown> {
  const [path = "", query = ""] = target.split("?");
  const found = routes.find(verb, `/api/modularity${path}`);
  if (found.kind !== "match") throw new Error(`${verb} ${path}: ${found.kind}`);
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return readRequest(found.match, { query: new URLSearchParams(query), body: text }, registry) as never;
}

function problem(verb: string, target: string, body: unknown = ""): string {
  try {
    read(verb, target, body);
  } catch (error) {
    if (error instanceof HeliosError && error.reason === "ARGUMENT_INVALID") return error.message;
    throw error;
  }
  throw new Error("it was read");
}

describe("a request over REST", () => {
  it("combines path, query and body", () => {
    expect(read("POST", "/modules/a/load?force_reload=true")).toMatchObject({ name: "a", forceReload: true });
    expect(read("POST", "/modules/a/load?force_reload=false", { load_dependencies: true })).toMatchObject({
      name: "a",
      forceReload: false,
      loadDependencies: true,
    });
    expect(read("POST", "/modules/a/load", { name: "a" })).toMatchObject({ name: "a" });
  });

  it("has short or full enums, in any case, and fields in either style", () => {
    for (const strategy of ["percentage", "PERCENTAGE", "STRATEGY_PERCENTAGE", "Strategy_Percentage"]) {
      expect(read("POST", "/feature-flags/enable", { name: "f", strategy })).toMatchObject({ strategy: 3 });
    }
    expect(read("POST", "/feature-flags/enable", { name: "f", allowMissing: false })).toMatchObject({
      allowMissing: false,
    });
  });

  it("uses the REST defaults of the contract unless the caller sets the fields", () => {
    expect(read("POST", "/feature-flags/percentage", { name: "f", percentage: 1 })).toMatchObject({
      allowMissing: true,
    });
    expect(read("POST", "/feature-flags/percentage?allow_missing=false", { name: "f" })).toMatchObject({
      allowMissing: false,
    });
  });

  it("has a context as JSON, in parts, or as curl leaves it after it has removed the braces", () => {
    const context = { sessionId: "abc", attributes: { tier: "gold" } };
    const asked = [
      '{"session_id":"abc","attributes":{"tier":"gold"}}',
      '"session_id":"abc","attributes":{"tier":"gold"}',
    ].map((text) => `context=${encodeURIComponent(text)}`);
    for (const query of [...asked, "context.session_id=abc&context.attributes.tier=gold"]) {
      expect(read("GET", `/feature-flags/f?${query}`)).toMatchObject({ name: "f", context });
    }
  });

  it("has lists by repetition, times and durations as text, and a flag by its name", () => {
    expect(read("GET", "/feature-flags/watch?names=a&names=b&heartbeat_interval=1.5s")).toMatchObject({
      names: ["a", "b"],
      heartbeatInterval: { seconds: 1n, nanos: 500_000_000 },
    });
    expect(read("POST", "/circuit-breakers/reset-all?dry_run")).toMatchObject({ dryRun: true });
  });

  it("has the body in the field that the path's option names", () => {
    const changed = read("PATCH", "/feature-flags/f?update_mask=percentage&reason=ramp", { percentage: 5 });
    expect(changed).toMatchObject({
      flag: { name: "f", percentage: 5 },
      updateMask: { paths: ["percentage"] },
      reason: "ramp",
    });
  });

  it("may have null for a missing value, and where any JSON is allowed", () => {
    expect(read("POST", "/feature-flags/enable", { name: "f", strategy: null })).toMatchObject({ strategy: 0 });
    const { input } = read("POST", "/modules/a/invoke/m", { json: null }) as unknown as { input: { case: string } };
    expect(input.case).toBe("json");
  });

  it.each([
    [
      "an unknown field",
      "POST",
      "/feature-flags/enable",
      { name: "f", strategi: 1 },
      "strategi: is not known; did you mean strategy?",
    ],
    [
      "an unknown parameter",
      "GET",
      "/feature-flags?page_sise=1",
      "",
      "page_sise: is not known; did you mean page_size?",
    ],
    [
      "an unknown parameter without a similar name",
      "GET",
      "/status?verbose=1",
      "",
      "verbose: is not known; it takes no fields",
    ],
    [
      "an unknown nested parameter",
      "POST",
      "/circuit-breakers",
      { name: "b", config: { treshold: 1 } },
      /config\.treshold: is not known; /,
    ],
    [
      "an unknown enum value",
      "POST",
      "/feature-flags/enable",
      { name: "f", strategy: "half" },
      /^strategy: must be one of all_on, .*, not "half"$/,
    ],
    ["an enum as a number", "POST", "/feature-flags/enable", { name: "f", strategy: 3 }, /^strategy: must be one of/],
    [
      "text for a number",
      "POST",
      "/feature-flags/percentage",
      { name: "f", percentage: "x" },
      'percentage: must be a number, not "x"',
    ],
    ["a number for text", "POST", "/feature-flags/enable", { name: 5 }, "name: must be a string, not 5"],
    ["a number for a flag", "POST", "/feature-flags/enable", { enabled: 1 }, "enabled: must be true or false, not 1"],
    [
      "text for a flag in the query",
      "POST",
      "/modules/a/load?force_reload=maybe",
      "",
      "force_reload: must be true or false, not maybe",
    ],
    [
      "a fraction for an integer",
      "GET",
      "/feature-flags?page_size=1.5",
      "",
      'page_size: must be a whole number, not "1.5"',
    ],
    ["a list for an object", "POST", "/feature-flags/enable", [], "(request): must be an object, not []"],
    ["an object for a list", "POST", "/modules/register", { dependencies: {} }, "dependencies: must be a list, not {}"],
    [
      "a duration without its unit",
      "GET",
      "/feature-flags/watch?heartbeat_interval=5",
      "",
      /^heartbeat_interval: must be a duration in seconds such as 1.5s, not "5"$/,
    ],
    [
      "an invalid time",
      "POST",
      "/feature-flags/gradual",
      { start_time: "tomorrow" },
      /^start_time: must be a time such as 2026-01-31T12:00:00Z/,
    ],
    [
      "a time beyond the calendar",
      "POST",
      "/feature-flags/gradual",
      { start_time: "2026-02-31T25:00:00Z" },
      /start_time/,
    ],
    ["text that is not JSON", "POST", "/feature-flags/enable", "{", /^\(request\): the body must be JSON: /],
    ["a context that is not JSON", "GET", "/feature-flags/f?context=x", "", "context: must be JSON, not x"],
    ["a duplicate parameter", "GET", "/feature-flags?page_size=1&page_size=2", "", "page_size: is given twice"],
    [
      "a field in two styles",
      "POST",
      "/feature-flags/enable",
      { allow_missing: true, allowMissing: true },
      "allow_missing: is given twice",
    ],
    [
      "a value in the query that differs from the body",
      "POST",
      "/modules/a/load?activate=true",
      { activate: false },
      "activate: is given twice, in the query and in the body",
    ],
    [
      "a value in the path that differs from the body",
      "POST",
      "/modules/a/load",
      { name: "b" },
      'name: is a in the path and "b" elsewhere',
    ],
    [
      "a body for an RPC without one",
      "GET",
      "/feature-flags",
      { page_size: 1 },
      "(request): GET /api/modularity/feature-flags takes no body",
    ],
    ["a part of a field without parts", "GET", "/feature-flags?page_size.x=1", "", "page_size: has no field x"],
    [
      "two fields of which only one is allowed",
      "POST",
      "/modules/a/invoke/m",
      { json: 1, binary: "AA==" },
      /input|binary|json/,
    ],
  ])("a request with %s is refused", (_, verb, target, body, expected) => {
    const message = problem(verb, target, body);
    if (typeof expected === "string") expect(message).toBe(expected);
    else expect(message).toMatch(expected);
  });

  it.each([
    ["2026-02-30T00:00:00Z"],
    ["2025-02-29T00:00:00Z"],
    ["2026-04-31T00:00:00Z"],
    ["2026-13-01T00:00:00Z"],
    ["2026-00-01T00:00:00Z"],
    ["2026-01-00T00:00:00Z"],
    ["2026-01-01T24:00:00Z"],
    ["2026-01-01T23:60:00Z"],
    ["2016-12-31T23:59:60Z"],
    ["0000-01-01T00:00:00Z"],
    ["10000-01-01T00:00:00Z"],
    ["2026-01-01T00:00:00+24:00"],
    ["2026-01-01T00:00:00"],
    ["2026-01-01"],
  ])("cannot have a time that does not exist: %s", (end) => {
    const body = { name: "f", target_percentage: 1, end_time: end };
    expect(problem("POST", "/feature-flags/gradual", body)).toMatch(/^end_time: must be a time such as/);
    const asked = `/feature-flags/gradual?end_time=${encodeURIComponent(end)}`;
    expect(problem("POST", asked, { name: "f" })).toMatch(/^end_time: must be a time such as/);
    const flag = { gradual: { end_time: end } };
    expect(problem("PATCH", "/feature-flags/f", flag)).toMatch(/^gradual\.end_time: must be a time such as/);
  });

  it.each([
    ['{"name": "f", "name": "f"}', "name"],
    ['{"json": {"a": [1, {"b": 1, "c": 2, "b": 1}]}}', "json.a[1].b"],
    ['{"json": {"\\u0061": 1, "a": 1}}', "json.a"],
    ['{"json": [{"a\\"": 1}, {"a\\"": 1, "a\\"": 1}]}', 'json[1]["a\\""]'],
    ['{"json": {"x": {"x": 1}, "y": {"x": 1}, "": {"": 0, "": 0}}}', 'json[""][""]'],
  ])("cannot have a member twice: %s", (text, place) => {
    expect(problem("POST", "/modules/a/invoke/m", text)).toBe(`${place}: is given twice`);
  });

  it("may have the same name in several objects, and as a value", () => {
    const json = { a: ["a", "a", { a: "a", b: { a: "\\" } }, { a: '\\"a' }], b: "a" };
    expect(read("POST", "/modules/a/invoke/m", { json })).toMatchObject({ input: { case: "json" } });
    expect(problem("GET", '/feature-flags/f?context={"user_id":"a","user_id":"b"}')).toBe(
      "context.user_id: is given twice",
    );
  });

  it("cannot have an integer that JSON would change", () => {
    for (const text of ["9007199254740993", "-9007199254740992", "1e16"]) {
      const body = `{"to_revision": ${text}}`;
      expect(problem("POST", "/feature-flags/f/revert", body)).toMatch(/^to_revision: is beyond .* as a string/);
    }
    expect(read("POST", "/feature-flags/f/revert", '{"to_revision": "9007199254740993"}')).toMatchObject({
      toRevision: 9_007_199_254_740_993n,
    });
  });

  it("cannot have a number with too many digits or half a surrogate pair, and the error has the place", () => {
    const invoke = (json: string) => problem("POST", "/modules/a/invoke/m", `{"json": ${json}}`);
    const digits = "1".repeat(22);
    const places = [
      [(part: string) => `{"a": [1, ${part} , 2]}`, "json.a[1]"],
      [(part: string) => `{"a": {"b":${part}}}`, "json.a.b"],
      [(part: string) => `["\\"", [], {}, \n${part}]`, "json[3]"],
      [(part: string) => part, "json"],
    ] as const;
    for (const [around, place] of places) {
      expect(invoke(around(`-${digits}`))).toMatch(new RegExp(`^${place.replace(/[[\]]/g, "\\$&")}: is beyond`));
      expect(invoke(around('"\\uD800"'))).toContain(`${place}: it has half a character`);
      const fine = around(`[${digits}.5, ${digits}e1, "${digits}", "\\ud83d\\ude00", "\\\\ud800", 1e22]`);
      expect(read("POST", "/modules/a/invoke/m", `{"json": ${fine}}`)).toMatchObject({ name: "a" });
    }
    expect(invoke('{"\\ud800": 1}')).toContain("half a character");
  });

  it("a request with too much nesting is refused", () => {
    const deep = `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
    expect(() => read("POST", "/modules/a/invoke/m", `{"json":${deep}}`)).not.toThrow(RangeError);
    const deeper = "[".repeat(2_000_000);
    expect(problem("POST", "/modules/a/invoke/m", `{"json":${deeper}`)).toBe("json: is nested deeper than 100");
    for (const broken of ['{"', '{"a', '{"a\\', '{"a":"', '{"\\u00":1}', "]]]", '{"a"}', '{,"a":1,"a":1}']) {
      expect(problem("POST", "/modules/a/invoke/m", broken)).toMatch(/the body must be JSON/);
    }
  });
});

describe("an update over REST without update_mask", () => {
  const mask = (verb: string, target: string, body: unknown) =>
    (read(verb, target, body) as { updateMask?: { paths: string[] } }).updateMask?.paths;

  it.each([
    [{ enabled: false }, ["enabled"]],
    [{ enabled: true, percentage: 0 }, ["enabled", "percentage"]],
    [{ bucket_by: "user_id" }, ["bucket_by"]],
    [{ bucketBy: "user_id", maxStaleness: "5s" }, ["bucket_by", "max_staleness"]],
    [{ salt: "" }, ["salt"]],
    [{ salt: null, gradual: null, whitelist: [] }, ["salt", "gradual", "whitelist"]],
    [{ gradual: { target_percentage: 5 } }, ["gradual"]],
    [{ name: "f", etag: "x", description: "" }, ["description"]],
    [{ revision: 5 }, ["revision"]],
    [{}, undefined],
    [{ name: "f" }, undefined],
  ])("changes only the sent fields of a flag: %j", (body, paths) => {
    expect(mask("PATCH", "/feature-flags/f", body)).toEqual(paths);
  });

  it("changes only the sent fields of a breaker", () => {
    expect(mask("PATCH", "/circuit-breakers/b", { config: { failureThreshold: 3, failure_rate: null } })).toEqual([
      "failure_threshold",
      "failure_rate",
    ]);
    expect(mask("PATCH", "/circuit-breakers/b", { config: {} })).toBeUndefined();
    expect(mask("PATCH", "/circuit-breakers/b?config.jitter=0.5", { config: { timeout: "1s" } })).toEqual([
      "timeout",
      "jitter",
    ]);
  });

  it("follows its mask if it has one, in snake_case or camelCase", () => {
    for (const asked of ["bucket_by,enabled", "bucketBy,enabled"]) {
      expect(mask("PATCH", `/feature-flags/f?update_mask=${asked}`, { salt: "x" })).toEqual(["bucket_by", "enabled"]);
    }
    const body = { config: { jitter: 0.5 }, update_mask: "failure_rate" };
    expect(mask("PATCH", "/circuit-breakers/b", body)).toEqual(["failure_rate"]);
  });

  it("exists for every update of the contract", () => {
    const updates = SERVICES.flatMap(({ methods }) => methods.filter(({ name }) => /^Update/.test(name)));
    expect(updates.length).toBeGreaterThan(1);
    for (const { name, input } of updates) expect([name, maskedIn(input) !== undefined]).toEqual([name, true]);
  });
});
