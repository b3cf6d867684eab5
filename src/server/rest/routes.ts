import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { http } from "../../../gen/google/api/annotations_pb.ts";
import type { HttpRule } from "../../../gen/google/api/http_pb.ts";
import { rest } from "../../../gen/helios/v1/rest_pb.ts";
import { parseTemplate, type Segment } from "./template.ts";

/** A path of plain HTTP that leads to an RPC, from its google.api.http option. */
export interface Route {
  /** Such as `GET` or `POST`. */
  readonly verb: string;
  /** The path in the option, such as `/api/modularity/modules/{name}/load`. */
  readonly path: string;
  readonly segments: readonly Segment[];
  /** The field of the request that is in the body. `*` stands for the whole request, undefined for no body. */
  readonly body: string | undefined;
  readonly rpc: DescMethod;
  /** Fields of the request that are true by default. */
  readonly trueByDefault: readonly string[];
}

export interface Match {
  readonly route: Route;
  /** Values of the variables in the path, by field name. */
  readonly variables: ReadonlyMap<string, string>;
}

export type Found =
  | { readonly kind: "match"; readonly match: Match }
  /** The path exists, but only for other verbs. */
  | { readonly kind: "verbs"; readonly verbs: readonly string[] }
  | { readonly kind: "none" };

export interface Routes {
  readonly all: readonly Route[];
  /** Finds a route. `path` is as it was sent, without the query. Throws URIError if it is badly encoded. */
  find(verb: string, path: string): Found;
}

/** Creates the routes to all RPCs of these services. Throws if two routes are equal, or one cannot be parsed. */
export function createRoutes(services: readonly DescService[]): Routes {
  const all = services.flatMap(({ methods }) => methods.flatMap(routesOf));
  const root = createNode();
  for (const route of all) insert(root, route);
  return {
    all,
    find(verb, path) {
      const parts = path.split("/").slice(1).map(decodeURIComponent);
      const ends = [...walk(root, parts)];
      for (const { routes, values } of ends) {
        const route = routes.get(verb);
        if (route !== undefined) return { kind: "match", match: { route, variables: named(route, values) } };
      }
      const verbs = [...new Set(ends.flatMap(({ routes }) => [...routes.keys()]))].sort();
      return verbs.length === 0 ? { kind: "none" } : { kind: "verbs", verbs };
    },
  };
}

function routesOf(rpc: DescMethod): Route[] {
  if (!hasOption(rpc, http)) return [];
  const rule = getOption(rpc, http);
  const trueByDefault = getOption(rpc, rest).trueByDefault;
  return [rule, ...rule.additionalBindings].map((one) => routeOf(one, rpc, trueByDefault));
}

function routeOf({ pattern, body }: HttpRule, rpc: DescMethod, trueByDefault: readonly string[]): Route {
  if (pattern.case === undefined) throw new Error(`${rpc.name}: the http option must have a path`);
  return {
    verb: pattern.case.toUpperCase(),
    path: pattern.value,
    segments: parseTemplate(pattern.value),
    body: body === "" ? undefined : body,
    rpc,
    trueByDefault,
  };
}

/** A node of the tree of path segments. */
interface Node {
  readonly literals: Map<string, Node>;
  variable: Node | undefined;
  readonly routes: Map<string, Route>;
}

function createNode(): Node {
  return { literals: new Map(), variable: undefined, routes: new Map() };
}

function insert(root: Node, route: Route): void {
  let node = root;
  for (const segment of route.segments) {
    if (segment.kind === "variable") {
      node.variable ??= createNode();
      node = node.variable;
    } else {
      const next = node.literals.get(segment.text) ?? createNode();
      node.literals.set(segment.text, next);
      node = next;
    }
  }
  const other = node.routes.get(route.verb);
  if (other !== undefined)
    throw new Error(`${route.verb} ${route.path} leads to both ${other.rpc.name} and ${route.rpc.name}`);
  node.routes.set(route.verb, route);
}

interface End {
  readonly routes: ReadonlyMap<string, Route>;
  readonly values: readonly string[];
}

/** Yields every node that matches a path. Literal segments take precedence over variables. */
function* walk(node: Node, parts: readonly string[], values: readonly string[] = []): Generator<End> {
  const [part, ...rest] = parts;
  if (part === undefined) {
    if (node.routes.size > 0) yield { routes: node.routes, values };
    return;
  }
  const literal = node.literals.get(part);
  if (literal !== undefined) yield* walk(literal, rest, values);
  if (node.variable !== undefined && part !== "") yield* walk(node.variable, rest, [...values, part]);
}

function named({ segments }: Route, values: readonly string[]): ReadonlyMap<string, string> {
  const fields = segments.flatMap((segment) => (segment.kind === "variable" ? [segment.field] : []));
  return new Map(fields.map((field, index) => [field, values[index] ?? ""]));
}
