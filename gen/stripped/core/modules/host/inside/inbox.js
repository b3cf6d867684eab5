                                                      

/**
 * Time that an instance spends on starting calls before it reads new messages, so that calls whose callers have left do
 * not start. @limit ms
 */
const TURN_MS = 5;

                            
                            
                
                                                                                 
                               
                                                                 
                                                                                                                     
                                              
                                                                                              
                         
 

/** The queue of messages to an instance. */
                        
     
                                                                                                                         
            
     
                                                   
 

/**
 * Creates a queue that handles messages in order, and drops requests that nobody waits for any more. While a method blocks
 * the event loop, new messages are not read. So the inbox lets the event loop turn before it starts more requests.
 */
export function createInbox({ now, later, handle, cancel, drop }           )        {
  let queue               = [];
  let next = 0;
  let isPostponed = false;
  /** Ids of cancelled requests that may be in the queue. */
  const cancelled = new Set        ();

  const isOver = (message            , time        )                                                                => {
    if (!("deadline" in message)) return false;
    return time >= message.deadline || (cancelled.size > 0 && cancelled.has(message.id));
  };

  const run = ()       => {
    const start = now();
    let time = start;
    while (next < queue.length) {
      const message = queue[next++]              ;
      if (isOver(message, time)) drop(message.id);
      else if (message.type !== "cancel") handle(message);
      if (next === queue.length) break;
      time = now();
      if (time - start > TURN_MS) {
        postpone();
        return;
      }
    }
    queue = [];
    next = 0;
    cancelled.clear();
  };
  const postpone = ()       => {
    if (isPostponed) return;
    isPostponed = true;
    later(() => {
      isPostponed = false;
      run();
    });
  };

  return {
    put(messages, more) {
      if (queue.length === 0) queue = messages;
      else for (const message of messages) queue.push(message);
      for (const message of messages) {
        if (message.type === "cancel" && !cancel(message.id, message.reason)) cancelled.add(message.id);
      }
      if (more) postpone();
      else if (!isPostponed) run();
    },
  };
}
