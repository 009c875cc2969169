/**
 * What the bench of peers asks of each system. A system runs in processes of its own (contestant.ts); in each of them one module opens
 * it as its documentation says and runs the same two workflows on it.
 */

export const STEPS = 10

/** How a system is reached: what its server was started with. */
export interface Reach {
  /** Of PostgreSQL: of a database that nothing has used. */
  readonly postgres?: string
  readonly redis?: { readonly host: string, readonly port: number, readonly password: string }
  readonly restate?: { readonly ingress: string, readonly admin: string }
  /** Of a store that is a file or a folder: empty, on the disk to be measured. */
  readonly folder: string
}

/** What a module is given to open its system with. */
export interface Opening {
  readonly reach: Reach
  /** Which of the system's processes this is, from 0. */
  readonly process: number
  readonly processes: number
  /** The most workflows that this process will have in flight. */
  readonly inFlight: number
  /** Of the machine, for systems that have threads of their own. */
  readonly cores: number
  readonly work: Work
}

/** The work itself: the same functions for every system. */
export interface Work {
  /** The workflow of ten trivial steps, over a system's own way to do a step. */
  tenSteps(task: Task, doStep: (index: number, step: () => Promise<number>) => Promise<number>): Promise<TaskResult>
  /** The workflow of steps that compute. */
  computing(task: Computation, doStep: (index: number, step: () => Promise<number>) => Promise<number>): Promise<number>
  /** What a step of each does, for a system whose workflows are no async functions. */
  trivial(seed: number, index: number): number
  busy(iterations: number): number
}

export interface Task {
  readonly seed: number
  /** Whether the workflow says how long each of its steps took. */
  readonly timed: boolean
}

export interface TaskResult {
  readonly sum: number
  readonly tookMs?: readonly number[]
}

export interface Computation {
  readonly steps: number
  readonly iterations: number
}

/** A system that is open in this process. Each call is one workflow, from its start to the result that its caller has. */
export interface Contestant {
  /** Called before a load, for a system that should know how many workflows this process will have in flight; 0 where it will rest. */
  prepare?(inFlight: number): Promise<void>
  tenSteps(task: Task): Promise<TaskResult>
  /** Resolves with the sum of what the steps gave. */
  computing(task: Computation): Promise<number>
  close(): Promise<void>
}

export interface ContestantModule {
  open(opening: Opening): Promise<Contestant>
}

/** What the bench asks of a contestant's process. */
export type Order =
  | { readonly type: 'open', readonly module: string, readonly opening: Omit<Opening, 'work'> }
  | { readonly type: 'steps', readonly inFlight: number, readonly warmUpMs: number, readonly windowMs: number }
  | { readonly type: 'compute', readonly runs: number, readonly steps: number, readonly iterations: number }
  | { readonly type: 'close' }

export type Answer =
  | { readonly type: 'done' }
  | { readonly type: 'measured', readonly measured: Measured }
  | { readonly type: 'failed', readonly reason: string }

export interface Measured {
  /** In workflows: each counts with the share of its time that lies in the window. */
  readonly workflows: number
  readonly seconds: number
  /** Workflows that finished at all, those of the warm-up and of the end among them. */
  readonly finished: number
  readonly workflowMs: readonly number[]
  readonly stepMs: readonly number[]
  /** Workflows that failed or had a wrong result. They count as no work. */
  readonly errors: number
  readonly firstError?: string
}

export const NOTHING_MEASURED: Measured = { workflows: 0, seconds: 0, finished: 0, workflowMs: [], stepMs: [], errors: 0 }
