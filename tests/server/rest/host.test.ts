import { describe, expect, it } from "vitest";
import { foreignHost } from "../../../src/server/rest/host.ts";
import type { HttpRequest } from "../../../src/server/rest/http.ts";

interface Sent {
  readonly headers?: readonly (readonly [string, string])[];
  readonly url?: string;
  readonly localAddress?: string;
}

const BROWSER = ["Origin", "http://any.example"] as const;

function request({ headers = [], url = "/", localAddress = "127.0.0.1" }: Sent): HttpRequest {
  const lower = headers.map(([name, value]) => [name.toLowerCase(), value]);
  const rawHeaders = headers.flat();
  return { headers: Object.fromEntries(lower), rawHeaders, url, socket: { localAddress } } as unknown as HttpRequest;
}

const fromBrowser = (...hosts: string[]) =>
  request({ headers: [BROWSER, ...hosts.map((host) => ["Host", host] as const)] });

const HOSTS = { bound: "helios.lan", allowed: ["ops.example", "*.corp.example", "10.1.2.3", "[fd00::1]"] };

describe("a browser", () => {
  it.each([
    "localhost",
    "localhost:8000",
    "LOCALHOST.",
    "helios.localhost:80",
    "127.0.0.1:8000",
    "127.1.2.3",
    "127.1",
    "0x7f000001",
    "2130706433:8000",
    "[::1]:8000",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "helios.lan:8000",
    "Helios.LAN.",
    "ops.example",
    "OPS.example.:1",
    "a.corp.example",
    "a.b.corp.example",
    "10.1.2.3:8000",
    "[FD00:0::1]:8000",
  ])("reaches the service by %s", (host) => {
    expect(foreignHost(fromBrowser(host), HOSTS)).toBeUndefined();
  });

  it.each([
    "evil.example",
    "localhost.evil.example",
    "notlocalhost",
    "127.0.0.1.evil.example",
    "128.0.0.1",
    "10.1.2.4",
    "0.0.0.0",
    "[::2]",
    "[::ffff:10.0.0.1]",
    "xops.example",
    "ops.example.evil.example",
    "corp.example",
    "evilcorp.example",
    "evil.example@127.0.0.1",
    "127.0.0.1@evil.example",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost/evil",
    "localhost#",
    "localhost:x",
    "localhost:999999",
    "%6cocalhost",
    "ｌocalhost",
    "1.2.3.999",
    "[::1",
    "",
  ])("does not reach the service by %j", (host) => {
    expect(foreignHost(fromBrowser(host), HOSTS)).toBe(host);
  });

  it("reaches the service only if every host name in the request is allowed, and there is at least one", () => {
    expect(foreignHost(fromBrowser(), HOSTS)).toBe("(none)");
    expect(foreignHost(fromBrowser("localhost", "evil.example"), HOSTS)).toBe("evil.example");
    const two = request({ headers: [BROWSER, [":authority", "localhost"], ["host", "evil.example"]] });
    expect(foreignHost(two, HOSTS)).toBe("evil.example");
    const absolute = request({ headers: [BROWSER, ["Host", "localhost"]], url: "HTTP://evil.example/docs" });
    expect(foreignHost(absolute, HOSTS)).toBe("evil.example");
  });

  it("reaches the service at the address to which it connected", () => {
    for (const [localAddress, host] of [
      ["192.168.1.5", "192.168.1.5:8000"],
      ["::ffff:192.168.1.5", "192.168.1.5"],
      ["fd00::2", "[fd00::2]:8000"],
    ] as const) {
      const sent = request({ headers: [BROWSER, ["Host", host]], localAddress });
      expect(foreignHost(sent, { bound: "0.0.0.0", allowed: [] })).toBeUndefined();
      expect(foreignHost(fromBrowser(host), { bound: "0.0.0.0", allowed: [] })).toBe(host);
    }
  });

  it("reaches the service by any name if all are allowed", () => {
    expect(foreignHost(fromBrowser("evil.example"), { bound: "127.0.0.1", allowed: ["*"] })).toBeUndefined();
  });

  it.each([
    ["Origin", "null"],
    ["Sec-Fetch-Site", "same-origin"],
    ["Sec-Fetch-Mode", "cors"],
    ["Sec-Fetch-Anything", "x"],
    ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"],
    ["Accept-Language", "en"],
  ])("is recognised by %s", (name, value) => {
    const headers = [["Host", "evil.example"]] as const;
    expect(foreignHost(request({ headers: [...headers, [name, value]] }), HOSTS)).toBe("evil.example");
    expect(foreignHost(request({ headers }), HOSTS)).toBeUndefined();
  });
});
