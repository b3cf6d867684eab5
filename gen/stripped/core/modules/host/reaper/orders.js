/** A process or thread that may have started processes, which must not outlive it. */
                  
     
                               
                                                          
                           
                                                                  
                                         
         
                                                                                                                          
                         
         
                                        
     
                                 
                                                                            

/**
 * A command of the service to the reaper, sent as a line of JSON. The reaper answers `ended` with a line that contains the
 * id, once it has carried it out.
 */
                   
                                                                       
                                                                                                                          
                                                                                                  
                                                       
                                                   
                                                                                     
                                                    

/**
 * A descriptor that is inherited by all processes which a module starts, so that they are recognized. Node closes only the
 * descriptors up to 16 in a process that it starts.
 */
export const MARK_FD = 20;
