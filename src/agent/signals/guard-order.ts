/** What the guard of an agent is told, each as a line of JSON; it answers with the number once it goes by it. */
export interface GuardOrder {
  number: number;
  /** The undo record these processes are stopped by. */
  id: string;
  /** All processes that are stopped by it, as PID and start time; none: it is over. */
  processes: [pid: number, startTime: string][];
}

/** The first line the guard writes. */
export interface GuardGreeting {
  /** Why it ends together with the agent's container; `''` when it does not. */
  bound: string;
}
