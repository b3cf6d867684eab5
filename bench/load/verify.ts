import { connect } from "node:http2";
import { enveloped, opened } from "../sides/envelope.ts";

/** Makes each call once with Node's own client. Returns the answers; rejects if one of them fails. */
export async function verify(port: number, path: string, requests: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    const answers: Uint8Array[] = [];
    for (const request of requests) answers.push(await call(session, path, request));
    return answers;
  } finally {
    session.destroy();
  }
}

function call(session: ReturnType<typeof connect>, path: string, request: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const stream = session.request(headers);
    const parts: Buffer[] = [];
    let outcome: unknown;
    stream.on("response", ({ "grpc-status": status }) => {
      outcome = status;
    });
    stream.on("trailers", ({ "grpc-status": status }) => {
      outcome = status;
    });
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("error", reject);
    stream.on("end", () => {
      if (outcome === "0") resolve(opened(Buffer.concat(parts)));
      else reject(new Error(`${path} answers with grpc-status ${outcome}`));
    });
    stream.end(enveloped(request));
  });
}
