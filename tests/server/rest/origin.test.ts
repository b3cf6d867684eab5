import { describe, expect, it } from "vitest";
import type { HttpRequest } from "../../../src/server/rest/http.ts";
import { corsHeaders, isForeign, preflightHeaders } from "../../../src/server/rest/origin.ts";

const request = (headers: Record<string, string>): HttpRequest =>
  ({ headers: { host: "helios:8000", ...headers } }) as unknown as HttpRequest;

describe("a request to the REST API", () => {
  it.each([
    ["without a browser", {}, false],
    ["from a page of this server", { origin: "http://helios:8000" }, false],
    ["from a page of this server, as its browser says", { "sec-fetch-site": "same-origin" }, false],
    ["that the user typed", { "sec-fetch-site": "none" }, false],
    ["from a page of another site", { origin: "http://evil.example", "sec-fetch-site": "cross-site" }, true],
    ["from another site, by a browser that sends no origin", { "sec-fetch-site": "cross-site" }, true],
    ["from another origin of the same site", { "sec-fetch-site": "same-site" }, true],
    ["from another port", { origin: "http://helios:9000" }, true],
    ["from another site, by an old browser", { origin: "https://evil.example" }, true],
    ["from a page in a sandbox", { origin: "null" }, true],
    ["with an invalid origin", { origin: "://" }, true],
    ["from a page of this server, in another spelling", { origin: "http://HELIOS:8000", host: "Helios:8000" }, false],
    ["from a page of this server at the default port", { origin: "https://helios", host: "helios:443" }, false],
    ["through a proxy", { origin: "https://ops.lan", host: "up", "x-forwarded-host": "ops.lan, x" }, false],
    ["through a proxy, from another site", { origin: "https://evil.example", "x-forwarded-host": "ops.lan" }, true],
    ["from a page of an allowed origin", { origin: "https://ops.example", "sec-fetch-site": "cross-site" }, false],
  ])("%s: foreign %s", (_, headers, foreign) => {
    expect(isForeign(request(headers), ["https://ops.example"])).toBe(foreign);
  });

  it.each([
    ["https://ops.example.com:8443", false],
    ["https://a.ops.example.com:8443", false],
    ["https://example.com:8443", true],
    ["https://ops.example.com", true],
    ["http://ops.example.com:8443", true],
    ["https://evil.org/.example.com:8443", true],
    ["https://evil.org:1.example.com:8443", true],
    ["https://.example.com:8443x", true],
  ])("from a page of %s, where subdomains of a name are allowed: foreign %s", (origin, foreign) => {
    expect(isForeign(request({ origin }), ["https://*.example.com:8443"])).toBe(foreign);
  });

  it.each([
    ["a link that a user follows", "GET", { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" }, false],
    ["a frame", "GET", { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" }, true],
    ["an image", "GET", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" }, true],
    ["a script's fetch", "GET", { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" }, true],
    ["a form", "POST", { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" }, true],
  ])("from another site by %s: foreign %s", (_, method, headers, foreign) => {
    const sent = { ...request({ "sec-fetch-site": "cross-site", ...headers }), method } as HttpRequest;
    expect(isForeign(sent, [])).toBe(foreign);
  });

  it("is allowed from everywhere if that is configured", () => {
    expect(isForeign(request({ origin: "http://evil.example" }), ["*"])).toBe(false);
  });
});

describe("the answer to a page of another origin", () => {
  it("has no CORS headers if no origin is allowed", () => {
    expect(corsHeaders(request({ origin: "https://ops.example" }), [])).toEqual({});
    expect(preflightHeaders(request({ origin: "https://ops.example" }), [])).toEqual({});
  });

  it("lets pages of an allowed origin read it, and no others", () => {
    const allowed = ["https://ops.example"];
    const mine = corsHeaders(request({ origin: "https://ops.example" }), allowed);
    expect(mine).toMatchObject({ "access-control-allow-origin": "https://ops.example", vary: "Origin" });
    expect(corsHeaders(request({ origin: "https://evil.example" }), allowed)).toEqual({ vary: "Origin" });
    const asked = preflightHeaders(
      request({
        origin: "https://ops.example",
        "access-control-request-headers": "content-type, connect-protocol-version",
      }),
      allowed,
    );
    expect(asked["access-control-allow-headers"]).toBe("content-type, connect-protocol-version");
  });
});
