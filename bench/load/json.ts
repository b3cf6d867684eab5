import { createAnswerReader } from "./http1.ts";
import { openSocket } from "./http2.ts";
import { createMeter, type Figures, type Meter, type Span } from "./meter.ts";

/** Calls of one unary method with JSON over HTTP/1.1. Each connection has one call in flight. */
export interface JsonJob extends Span {
  readonly port: number;
  readonly path: string;
  readonly requests: readonly Uint8Array[];
  /** The bodies of the answers. */
  readonly answers: readonly Uint8Array[];
  readonly connections: number;
}

/** Keeps the calls in flight for the span, and returns what was measured. Rejects if a connection cannot be opened. */
export async function runJson(job: JsonJob): Promise<Figures> {
  const meter = createMeter(job);
  const all = await Promise.all(Array.from({ length: job.connections }, (_, index) => openCaller(job, meter, index)));
  meter.start();
  for (const caller of all) caller.start();
  try {
    return await meter.finished;
  } finally {
    for (const caller of all) caller.close();
  }
}

interface Caller {
  start(): void;
  close(): void;
}

function openCaller({ port, path, requests, answers }: JsonJob, meter: Meter, index: number): Promise<Caller> {
  const bytes = requests.map((body) => {
    const head = [
      `POST ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
    ];
    return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
  });
  let [turn, sentAt] = [index, 0];
  const send = (): void => {
    sentAt = performance.now();
    socket.write(bytes[turn % bytes.length] ?? "");
  };
  const read = createAnswerReader((status, body) => {
    const isExpected = body.equals(answers[turn % answers.length] ?? new Uint8Array());
    const problem = isExpected ? undefined : "the answer is not the expected one";
    meter.count(sentAt, status === 200 ? problem : `the answer has the status ${status}`);
    turn += 1;
    if (meter.isRunning()) send();
  });
  const socket = openSocket(port, read);
  return new Promise((resolve, reject) => {
    socket.on("connect", () => resolve({ start: send, close: () => socket.destroy() }));
    socket.on("error", (error) => {
      reject(error);
      meter.fail(error.message);
    });
    socket.on("close", () => {
      if (meter.isRunning()) meter.fail("the server closed a connection");
    });
  });
}
