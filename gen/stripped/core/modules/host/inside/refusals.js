/** Levels of causes that are searched. */
const DEPTH = 10;

/** The errors by which the service told the module that it may not act. */
                           
                          
     
                                                                                                                           
                                                                                             
     
                                    
 

export function createRefusals()           {
  const known = new WeakSet        ();
  const explains = (thrown         , depth        )          => {
    if (typeof thrown !== "object" || thrown === null || depth === 0) return false;
    if (known.has(thrown)) return true;
    const { cause, errors } = thrown                                                           ;
    if (explains(cause, depth - 1)) return true;
    return Array.isArray(errors) && errors.length > 0 && errors.every((error) => explains(error, depth - 1));
  };
  return {
    add: (error) => void known.add(error),
    explain(thrown) {
      try {
        return explains(thrown, DEPTH);
      } catch {
        // Reading the value threw.
        return false;
      }
    },
  };
}
