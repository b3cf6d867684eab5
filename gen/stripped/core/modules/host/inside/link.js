import { Socket } from "node:net";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { machineTime } from "../values/machine-time.js";
import { createFrameReader, LINK_FD, packetFrame, serviceFrames } from "../wire/frames.js";
import {              toPacket } from "../wire/packets.js";
import { checkPacket, fromPosts,                 } from "../wire/posts.js";
                                                                    
import { loggingBy } from "./log-gate.js";

/** Of Node: what one read of a pipe takes at most. */
const FULL_READ_BYTES = 65_536;

/**
 * Time that the last messages of a module's ending process may take if the service is behind with reading. @limit ms
 */
const LAST_WORDS_MS = 1000;
/** The clock is none of the files that may be read here. Taken before the module's code can put another in its place. */
const later = setTimeout;

/** The way to the service, whether this is a thread or a process. */
                       
                                                                                            
                                                                      
                                                    
                                                                            
                                                                                               
                          
 

/** Opens the link. A process whose service is gone ends. */
export function openLink()       {
  if (parentPort !== null) {
    const { port, read: counts } = workerData              ;
    return {
      send: sendingBy((packet) => port.postMessage(checkPacket(packet))),
      onMessages: (listen) =>
        void port.on("message", (first) => {
          const messages = fromPosts(first, counts);
          // All that has arrived, at once: what the last message says may be of the first one.
          for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
            for (const message of fromPosts(next.message, counts)) messages.push(message);
          }
          listen(messages, false);
        }),
      end: (code) => process.exit(code),
    };
  }
  const pipe = new Socket({ fd: LINK_FD });
  const gone = ()        => process.exit(0);
  pipe.once("end", gone);
  pipe.once("error", gone);
  let isEnding = false;
  return {
    // At once: the next call in the same turn may never let this one go.
    send: sendingBy((packet) => {
      if (!isEnding) pipe.write(packetFrame(packet));
    }),
    onMessages(listen) {
      let more = false;
      const read = createFrameReader(serviceFrames, (messages) => listen(messages                , more), gone);
      pipe.on("data", (chunk        ) => {
        // As much as one read takes: there is more in the pipe.
        more = chunk.length >= FULL_READ_BYTES;
        read(chunk);
      });
    },
    end(code) {
      if (isEnding) return;
      isEnding = true;
      const exit = ()        => process.exit(code);
      if (pipe.writableLength === 0) exit();
      // It is told nothing more, either.
      pipe.pause();
      later(exit, LAST_WORDS_MS);
      pipe.write("", exit);
    },
  };
}

function sendingBy(send                          )               {
  const sendEntry = loggingBy(send, machineTime);
  return (message, check) => {
    if (message.type === "log") return sendEntry(message);
    const packet = toPacket(message);
    if (packet === undefined) throw new TypeError("only the service sends it");
    check?.(packet);
    send(packet);
  };
}
