/** Told that the instance begins to serve, or that it serves no more. */
                                  

/** Whether the instance serves, and whom in the module that is told. */
                       
                                                                                                                   
                                              
                                                                                                         
                                               
                               
                
                                                               
                 
 

                        
                                             
                                              
                                           
                                               
 

export function createDuty(failures              )       {
  const onServe = createListeners(failures.ofServe);
  const onRetire = createListeners(failures.ofRetire);
  let duty                                    = "none yet";
  return {
    onServe: (listener) => onServe.add(listener, () => duty === "serves"),
    onRetire: (listener) => onRetire.add(listener, () => duty === "retired"),
    serve() {
      if (duty === "serves") return;
      duty = "serves";
      onServe.call();
    },
    retire() {
      if (duty !== "serves") return;
      duty = "retired";
      onRetire.call();
    },
  };
}

/** Calls each listener in order of registration; what one throws, or rejects with, keeps none of the others from it. */
function createListeners(failed                           ) {
  const listeners = new Set                                 ();
  const call = async (listener              )                => {
    try {
      await listener();
    } catch (thrown) {
      failed(thrown);
    }
  };
  return {
    add(listener              , isDue               )             {
      if (typeof listener !== "function") throw new TypeError("a listener is a function");
      const one = { call: listener };
      listeners.add(one);
      // After what registers it has gone on: it may need what it gets here.
      if (isDue()) queueMicrotask(() => listeners.has(one) && isDue() && void call(listener));
      return () => void listeners.delete(one);
    },
    call()       {
      for (const { call: listener } of [...listeners]) void call(listener);
    },
  };
}
