// Declares the globals that every platform of a client provides. The kernel is checked without the types of any platform.
                         
                
 
                                             
                                                                             
                                                          

/** A pending timer. `cancel` does nothing after it has fired. */
                        
                 
 

/**
 * Time as the engine sees it. Nothing in the engine reads time or sets a timer in any other way, so that a test
 * (or a simulation) decides what time it is.
 */
                        
                                                                                                                  
                
                                                                                                          
                      
     
                                                                                                                               
                                                                                                                            
                                                                                     
     
                                                                         
 

/** The longest delay of the platform's timers (2^31 - 1 ms, 24.8 days). Longer ones are set in steps. */
export const LONGEST_PLATFORM_DELAY_MS = 2_147_483_647;

/** The machine's clock, the only place that makes timers. A timer keeps the process alive only if it `isAwaited`. */
export const systemClock        = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, run, isAwaited = false) {
    refuseNaN(delayMs);
    const due = performance.now() + delayMs;
    let handle               ;
    const arm = (left        )       => {
      handle =
        left > LONGEST_PLATFORM_DELAY_MS
          ? setTimeout(() => arm(due - performance.now()), LONGEST_PLATFORM_DELAY_MS)
          : setTimeout(run, Math.max(0, left));
      if (!isAwaited) handle.unref();
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Runs `run` every `everyMs`, from one start to the next, until it is cancelled. */
export function setRepeatingTimer(clock       , everyMs        , run            , isAwaited = false)        {
  let timer       ;
  let cancelled = false;
  const arm = ()       => {
    timer = clock.setTimer(
      everyMs,
      () => {
        arm();
        run();
      },
      isAwaited,
    );
    if (cancelled) timer.cancel();
  };
  arm();
  return {
    cancel() {
      cancelled = true;
      timer.cancel();
    },
  };
}

function refuseNaN(delayMs        )       {
  if (Number.isNaN(delayMs)) throw new RangeError("a timer's delay must be a number of ms, not NaN");
}

/** A clock that moves only when it is moved. */
                                            
                                                                                                        
                            
                                                                
                             
 

/** Makes a clock for tests and simulations. It starts at the wall time `startMs`. */
export function createManualClock(startMs = 1_700_000_000_000)              {
  let wallOffset = startMs;
  let elapsed = 0;
  let order = 0;
  const timers = new Set                                                 ();
  return {
    now: () => wallOffset + elapsed,
    monotonic: () => elapsed,
    setTimer(delayMs, run) {
      refuseNaN(delayMs);
      const timer = { due: elapsed + Math.max(0, delayMs), order: order++, run };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    advance(ms) {
      const end = elapsed + ms;
      for (;;) {
        const [next] = [...timers]
          .filter((timer) => timer.due <= end)
          .sort((a, b) => a.due - b.due || a.order - b.order);
        if (next === undefined) break;
        timers.delete(next);
        elapsed = Math.max(elapsed, next.due);
        next.run();
      }
      elapsed = end;
    },
    stepWall(ms) {
      wallOffset += ms;
    },
  };
}
