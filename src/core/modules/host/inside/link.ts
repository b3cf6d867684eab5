import { Socket } from "node:net";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { machineTime } from "../values/machine-time.ts";
import { createFrameReader, LINK_FD, packetFrame, serviceFrames } from "../wire/frames.ts";
import { type Packet, toPacket } from "../wire/packets.ts";
import { checkPacket, fromPosts, movedIn, type ThreadData } from "../wire/posts.ts";
import type { FromInstance, ToInstance } from "../wire/protocol.ts";
import { loggingBy } from "./log-gate.ts";

/** Most bytes that Node reads from a pipe at once. */
const FULL_READ_BYTES = 65_536;

/**
 * Time that the last messages of a module's ending process may take if the service is behind with reading. @limit ms
 */
const LAST_WORDS_MS = 1000;
/**
 * A real timer, because the kernel's clock is not among the files of an instance. Taken before the module's code runs,
 * which can replace it.
 */
const later = setTimeout;

/** The connection to the service, from a thread or a process. */
export interface Link {
  /** Sends a message. Calls `check` with its packet first. Throws if the message cannot be sent, or if `check` throws. */
  send(message: FromInstance, check?: (packet: Packet) => void): void;
  /** `more`: further messages have arrived, and are passed to the next call. */
  onMessages(listen: (messages: ToInstance[], more: boolean) => void): void;
  /** Ends this thread or process, after the messages in the queue were sent. Later messages are ignored. */
  end(code: number): void;
}

/** Opens the link. A process ends when its service is gone. */
export function openLink(): Link {
  if (parentPort !== null) {
    const { port, read: counts } = workerData as ThreadData;
    return {
      send: createSend((packet) => {
        const sent = checkPacket(packet);
        port.postMessage(sent, movedIn([sent]));
      }),
      onMessages: (listen) =>
        void port.on("message", (first) => {
          const messages = fromPosts(first, counts);
          // All messages that have arrived are read at once, because the last may cancel the first.
          for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
            for (const message of fromPosts(next.message, counts)) messages.push(message);
          }
          listen(messages, false);
        }),
      end: (code) => process.exit(code),
    };
  }
  const pipe = new Socket({ fd: LINK_FD });
  const gone = (): never => process.exit(0);
  pipe.once("end", gone);
  pipe.once("error", gone);
  let isEnding = false;
  return {
    // Written at once: the next call in this turn may block the event loop.
    send: createSend((packet) => {
      if (!isEnding) pipe.write(packetFrame(packet));
    }),
    onMessages(listen) {
      let more = false;
      const read = createFrameReader(serviceFrames, (messages) => listen(messages as ToInstance[], more), gone);
      pipe.on("data", (chunk: Buffer) => {
        // The read was full, so there is more in the pipe.
        more = chunk.length >= FULL_READ_BYTES;
        read(chunk);
      });
    },
    end(code) {
      if (isEnding) return;
      isEnding = true;
      const exit = (): never => process.exit(code);
      if (pipe.writableLength === 0) exit();
      // No further messages are read.
      pipe.pause();
      later(exit, LAST_WORDS_MS);
      pipe.write("", exit);
    },
  };
}

function createSend(send: (packet: Packet) => void): Link["send"] {
  const sendEntry = loggingBy(send, machineTime);
  return (message, check) => {
    if (message.type === "log") return sendEntry(message);
    const packet = toPacket(message);
    if (packet === undefined) throw new TypeError(`a module cannot send a message of type ${message.type}`);
    check?.(packet);
    send(packet);
  };
}
