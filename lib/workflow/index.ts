/** "troupe/workflow": what a workflow module imports. It is loaded inside every worker thread; it pulls in neither the store nor the pool. */
export { step, runStep } from './step.ts'
export type { Step } from './step.ts'
export type { StepOptions } from './step-options.ts'
export { workflow } from './workflow.ts'
export type { Workflow, WorkflowOptions } from './workflow.ts'
export { currentRun, currentStep } from './context.ts'
export type { CurrentRun, CurrentStep } from './context.ts'
export {
  closeStream, getEvent, now, patched, random, randomUUID, receive, send, setEvent, sleep, startChild, writeStream,
} from './operations.ts'
export type { ChildHandle, StartChildOptions } from './operations.ts'
export { registerErrorClasses as registerError } from '../codec/classes.ts'
export {
  InvalidOptionError, MailboxFullError, NonRetryableError, OutsideRunError, RetryAfterError, RunCancelledError, RunIdTakenError, RunQuarantinedError, RunTimeoutError,
  StepCrashedError, StepRetriesExhaustedError, StepTimeoutError, StreamClosedError, TroupeError, UnknownRunError, UnknownWorkflowError, UnserializableValueError,
} from '../errors.ts'
