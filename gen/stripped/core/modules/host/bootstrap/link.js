import { Socket } from "node:net";
import { parentPort } from "node:worker_threads";
                                                               
import { createFrameReader, LINK_FD, toFrame } from "./frames.js";
import { fromPackets, toPosted } from "./packets.js";

/** The way to the service, whether this is a thread or a process. */
                       
                                    
                                    
                                                         
                                     
                          
 

/** Opens the link. A process whose service is gone ends. */
export function openLink()       {
  const port = parentPort;
  if (port !== null) {
    return {
      send: (message) => port.postMessage(toPosted(message)),
      onMessage: (listen) =>
        void port.on("message", (posted) => {
          for (const message of fromPackets(posted)) listen(message              );
        }),
      end: (code) => process.exit(code),
    };
  }
  const pipe = new Socket({ fd: LINK_FD });
  const gone = ()        => process.exit(0);
  pipe.once("end", gone);
  pipe.once("error", gone);
  return {
    // At once: the next call in the same turn may never let this one go.
    send: (message) => void pipe.write(toFrame(message)),
    onMessage: (listen) =>
      void pipe.on(
        "data",
        createFrameReader((message) => listen(message              ), gone),
      ),
    end: (code) => process.exit(code),
  };
}
