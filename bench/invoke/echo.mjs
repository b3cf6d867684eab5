// The least that anybody would write: answers each message over Node's own channel.
import { parentPort } from "node:worker_threads";

if (parentPort !== null) parentPort.on("message", (message) => parentPort.postMessage(message));
else process.on("message", (message) => process.send(message));
