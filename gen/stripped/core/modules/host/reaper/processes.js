import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process as the kernel tells of it. */
                              
                       
                          
                         
                           
                                                     
                           
                                                                                                                  
                         
 

/** What the kernel tells of a process; undefined where there is none, or where the kernel tells nothing. */
export function readProcess(pid        )                          {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, parent, group, session] = fields;
    return {
      pid,
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      zombie: state === "Z" || state === "X",
      start: fields[19] ?? "",
    };
  } catch {
    return undefined;
  }
}

                                                            

/** All processes that there are; none where the kernel tells nothing. */
export function readProcesses()               {
  const table = new Map                     ();
  for (const name of namesIn("/proc")) {
    const found = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined;
    if (found !== undefined) table.set(found.pid, found);
  }
  return table;
}

/** The processes that a thread has started and that live. */
export function childrenOfThread(pid        , tid        )           {
  try {
    const children = readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1");
    return children.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** The kernel's id of this process's thread of that name. */
export function findThread(name        )                     {
  const isNamed = (tid        )          => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, "latin1").trim() === name;
    } catch {
      return false;
    }
  };
  const tid = namesIn("/proc/self/task").find(isNamed);
  return tid === undefined ? undefined : Number(tid);
}

/** What is behind a file descriptor of a process, by a name of its own; undefined where there is none. */
export function readDescriptor(pid        , fd        )                     {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return undefined;
  }
}

function namesIn(directory        )           {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
