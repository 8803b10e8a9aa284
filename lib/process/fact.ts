/** The facts about one process. */

/** One line of the system's table of processes. */
export interface ProcessFact {
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  /** State letter; Z is a zombie: dead, but not yet reaped. */
  state: string;
  start: string;
}
