// The simplest correct server of EvaluateFlag with JSON on node:http. Argument: a port.
import { createServer, type ServerResponse } from "node:http";
import { EVALUATE_PATH, evaluateRule } from "./flag.ts";

const server = createServer((request, response) => {
  if (request.url !== EVALUATE_PATH) {
    answer(response, 404, { code: "not_found" });
    return;
  }
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    try {
      const evaluation = evaluated(JSON.parse(Buffer.concat(parts).toString()) as Request);
      if (evaluation === undefined) answer(response, 404, { code: "not_found" });
      else answer(response, 200, { evaluation });
    } catch {
      answer(response, 400, { code: "invalid_argument" });
    }
  });
});

interface Request {
  readonly name: string;
  readonly context?: { readonly sessionId?: string };
}

/** The evaluation as protobuf writes it in JSON. */
function evaluated({ name, context }: Request) {
  const answer = evaluateRule(name, { sessionId: context?.sessionId });
  if (answer === undefined) return undefined;
  const { enabled, variant, value, reason, bucket, revision } = answer;
  return { name, enabled, variant, value, reason: `REASON_${reason}`, bucket, revision: String(revision) };
}

function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

server.listen(Number(process.argv[2]), "127.0.0.1");
