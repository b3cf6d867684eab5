                                                    

/** Taken before the module's code runs, which can replace it. */
const inTurn = setImmediate;

/** The activity of the module. */
                    
                                                                             
                    
                                                               
                               
                                                                                         
               
 

/** Waits for a quiet moment, in which no activity of the module is in progress, and runs some work exactly then. */
                        
     
                                                                                                                            
                                                                                                                          
            
    
                                                                                                                     
                                                                                                            
     
                                                          
                                                                      
                                         
                                                                       
                  
     
                                                                                                                         
     
                               
 

                   
               
                             
                 
 

export function createQuiet(activity          )        {
  const waiting = new Map                 ();

  const wait = (id        , work               )                   => {
    const { promise, resolve, reject } = Promise.withResolvers         ();
    const first = [...activity.calls()];
    let isPatient = true;
    let isLooking = false;
    const take = ()       => {
      waiting.delete(id);
      activity.hold();
      resolve(Promise.try(work));
    };
    const see = ()       => {
      isLooking = false;
      if (!waiting.has(id)) return;
      const calls = activity.calls();
      if (calls.size === 0 && activity.methods() === 0) take();
      else if (!isPatient && !first.some((call) => calls.has(call))) activity.hold();
    };
    const look = ()       => {
      if (isLooking) return;
      isLooking = true;
      // Code that follows from an answer runs before this.
      inTurn(see);
    };
    waiting.set(id, {
      look,
      press(how) {
        if (how === "take") take();
        else if (how === "hold") activity.hold();
        else isPatient = false;
        look();
      },
      cancel() {
        waiting.delete(id);
        reject(new Error("the wait was cancelled"));
      },
    });
    look();
    return promise;
  };

  return {
    take: wait,
    press: (id, how) => waiting.get(id)?.press(how),
    changed() {
      if (waiting.size > 0) for (const { look } of waiting.values()) look();
    },
    cancel(id) {
      const which = id === undefined ? [...waiting.values()] : [waiting.get(id)];
      for (const one of which) one?.cancel();
      return which.some((one) => one !== undefined);
    },
  };
}
