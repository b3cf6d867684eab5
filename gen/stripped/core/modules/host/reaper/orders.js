/** What may have started processes that must not outlive it. */
                  
     
                               
                                         
                           
                                                                         
                                         
                                                                                                       
                                        
     
                                 
                                                                            

/** What the service tells the reaper, each as a line of JSON. It answers the id of an `ended`, as a line, when it has done it. */
                   
                                                                       
                                                                                                     
                                                                                                  
                                 
                                                   
                                                              
                                                    

/**
 * The file descriptor that a process which may start others hands down to them, without their knowing: Node closes
 * those up to 16 to what it starts.
 */
export const MARK_FD = 20;
