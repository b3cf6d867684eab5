/** A listener of the module that is called when the instance begins, or ceases, to serve. */
                                  

/** Whether the instance serves, and the module's listeners. */
                       
                                                                                                         
                                              
     
                                                                                                                           
     
                                               
                                         
                
                                                                                
                 
 

                        
                                                 
                                              
                                                  
                                               
 

export function createDuty(failures              )       {
  const onServe = createListeners(failures.ofServe);
  const onRetire = createListeners(failures.ofRetire);
  let duty                                   = "not yet";
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

/** Keeps listeners, which are called in the order of registration. A listener that fails does not affect the others. */
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
      if (typeof listener !== "function") throw new TypeError("the listener must be a function");
      const one = { call: listener };
      listeners.add(one);
      // The listener is called after the code that registers it, because it may need the returned function.
      if (isDue()) queueMicrotask(() => listeners.has(one) && isDue() && void call(listener));
      return () => void listeners.delete(one);
    },
    call()       {
      for (const { call: listener } of [...listeners]) void call(listener);
    },
  };
}
