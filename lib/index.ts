/** "troupe": what a host process imports. */
export { Troupe } from './troupe.ts'
export type { TroupeStats } from './troupe.ts'
export { RunHandle } from './client/handle.ts'
export type { CancelOptions, ResultOptions } from './client/handle.ts'
export type { AttemptInfo, RunInfo, StepInfo } from './client/info.ts'
export type { RunFilter } from './client/filter.ts'
export type { CloseOptions, StartOptions, TroupeOptions } from './client/options.ts'
export type { QueueInfo, QueueOptions, ScheduleInfo, ScheduleOptions } from './client/queue-options.ts'
export type { RunStatus } from './model/run.ts'
export type { Logger } from './telemetry/logger.ts'
export {
  InternalError, InvalidOptionError, MailboxFullError, NondeterminismError, OutsideRunError, RunCancelledError, RunIdTakenError, RunNotFinishedError, RunQuarantinedError,
  RunTimeoutError, StepCrashedError, StepRetriesExhaustedError, StepTimeoutError, StoreFormatError, StoreInUseError, StoreUnavailableError, StreamClosedError,
  TroupeClosedError, TroupeError, UnknownRunError, UnknownWorkflowError, UnserializableValueError, WorkflowModuleError,
} from './errors.ts'
