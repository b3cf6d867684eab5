import { readFile } from "node:fs/promises";
import type { PlainRoute } from "../http/plain.ts";

/** The page only runs scripts of this server, and connects to no other server. */
const POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/** The links are relative, so that the page works behind a proxy that removes a path prefix. */
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Helios</title>
    <link rel="stylesheet" href="docs/swagger-ui.css">
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "none" });
`;

/** The documentation of the REST API: for programs, and as a page for people. */
export const docsRoutes: Readonly<Record<string, PlainRoute>> = {
  "/openapi.json": file(new URL("../../../docs/openapi.json", import.meta.url), "application/json"),
  "/docs": () => ({ status: 200, ...html(PAGE) }),
  "/docs/": () => ({ status: 308, ...html(""), headers: { location: "../docs" } }),
  "/docs/start.js": () => ({ status: 200, contentType: "text/javascript; charset=utf-8", content: START }),
  "/docs/swagger-ui.css": asset("swagger-ui.css", "text/css; charset=utf-8"),
  "/docs/swagger-ui-bundle.js": asset("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
  "/docs/favicon-32x32.png": asset("favicon-32x32.png", "image/png"),
};

/** The pages of the server, by path, with a description. */
const PLACES = {
  docs: "The REST API, to read and to try.",
  "openapi.json": "The REST API, for programs (OpenAPI 3.1).",
  "api/modularity/status": "What runs, and whether it is healthy.",
  healthz: "Whether the process lives.",
  readyz: "Whether it is ready.",
};

/** Lists the pages of the server; for a browser as HTML. */
export function rootRoute(version: string): PlainRoute {
  const rpc = "gRPC, gRPC-Web and Connect on this port; server reflection and grpc.health.v1 are served.";
  const rows = Object.entries(PLACES).map(([path, what]) => `<li><a href="${path}">${path}</a>: ${what}</li>`);
  const page = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>Helios</title></head>
  <body><h1>Helios ${version}</h1><ul>${rows.join("")}<li>${rpc}</li></ul></body>
</html>
`;
  const body = {
    name: "helios",
    version,
    docs: "docs",
    openapi: "openapi.json",
    rest: "api/modularity",
    status: "api/modularity/status",
    health: "healthz",
    readiness: "readyz",
    rpc,
  };
  return ({ headers }) => {
    if (!headers.accept?.includes("text/html")) return { status: 200, body };
    const { contentType, content, headers: safe } = html(page);
    return { status: 200, contentType, content, headers: { ...safe, vary: "Accept" } };
  };
}

function html(content: string) {
  return { contentType: "text/html; charset=utf-8", content, headers: { "content-security-policy": POLICY } };
}

/** A file of Swagger UI. */
function asset(name: string, contentType: string): PlainRoute {
  return file(new URL(import.meta.resolve(`swagger-ui-dist/${name}`)), contentType);
}

/** The file is read on the first request. */
function file(url: URL, contentType: string): PlainRoute {
  let content: Promise<Uint8Array> | undefined;
  return async () => {
    content ??= readFile(url);
    return { status: 200, contentType, content: await content };
  };
}
