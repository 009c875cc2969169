/**
 * Measures what the package exports against what it promises; a missing or narrowed export fails to compile here.
 *
 * What users receive must hold all that is promised, and what they hand over must be taken as promised: the two are
 * measured in opposite directions. Plain assignability is not enough for either: an option that is gone still "takes" an
 * object that has it, a result's optional field that is gone is still "optional", and parameters of methods are compared
 * loosely. So each type below yields the names of what was lost, and `Nothing` refuses any.
 */
import type * as built from 'troupe'
import type * as builtTesting from 'troupe/testing'
import type * as builtWorkflow from 'troupe/workflow'
import type * as promised from './troupe.ts'
import type * as promisedTesting from './testing.ts'
import type * as promisedWorkflow from './workflow.ts'

type Nothing<Lost extends never> = Lost
type Function = (...args: never[]) => unknown
type Options<F, Position extends number> = F extends (...args: infer A) => unknown ? NonNullable<A[Position]> : never

/** Members of what users receive that are gone or no longer fit. */
type LostToReader<Promised, Built> = { [K in keyof Promised]-?: K extends keyof Built ? Built[K] extends Promised[K] ? never : K : K }[keyof Promised]
/** Options users may give that are gone, newly required or no longer taken. */
type LostToWriter<Promised, Built> = { [K in keyof Promised]-?: K extends keyof Built ? Promised[K] extends Built[K] ? never : K : K }[keyof Promised]
  | { [K in keyof Built]-?: K extends keyof Promised ? never : undefined extends Built[K] ? never : K }[keyof Built]
/** Functions that refuse promised arguments or give less back. */
type LostToCaller<Promised, Built> = { [K in keyof Promised]-?: Promised[K] extends Function
  ? K extends keyof Built
    ? Built[K] extends Function
      ? Parameters<Promised[K]> extends Parameters<Built[K]> ? ReturnType<Built[K]> extends ReturnType<Promised[K]> ? never : K : K
      : K
    : K
  : never }[keyof Promised]
/** Fields of an instance; a subclass that is gone or that lost a field. */
type LostToCatcher<Promised, Built> = { [K in keyof Promised]-?: K extends keyof Built
  ? Promised[K] extends abstract new (...args: never[]) => infer P
    ? Built[K] extends abstract new (...args: never[]) => infer B ? [LostToReader<P, B>] extends [never] ? never : K : K
    : never
  : K }[keyof Promised]

// ---- "troupe": every name is there, every class is a class with its fields ------------------------------------------------
export type Names = Nothing<Exclude<keyof typeof promised, keyof typeof built>>
export type Classes = Nothing<LostToCatcher<typeof promised, typeof built>>
export type Errors = Nothing<{ [K in keyof typeof built]: K extends `${string}Error`
  ? (typeof built)[K] extends abstract new (...args: never[]) => built.TroupeError ? never : K
  : never }[keyof typeof built]>

// ---- "troupe": what users receive ----------------------------------------------------------------------------------------
export type Received = [
  Nothing<Exclude<built.RunStatus, promised.RunStatus>>,
  Nothing<Exclude<promised.RunStatus, built.RunStatus>>,
  Nothing<LostToReader<promised.RunInfo, built.RunInfo>>,
  Nothing<LostToReader<promised.StepInfo, built.StepInfo>>,
  Nothing<LostToReader<promised.StepInfo['attempts'][number], built.StepInfo['attempts'][number]>>,
  Nothing<LostToReader<promised.RunHandle<{ readonly a: 1 }>, built.RunHandle<{ readonly a: 1 }>>>,
  Nothing<LostToReader<promised.TroupeStats, built.TroupeStats>>,
  Nothing<LostToReader<promised.TroupeStats['threads'][number], built.TroupeStats['threads'][number]>>,
  Nothing<LostToReader<promised.TroupeStats['steps'], built.TroupeStats['steps']>>,
  Nothing<LostToReader<promised.TroupeStats['commits'], built.TroupeStats['commits']>>,
  Nothing<LostToReader<promised.TroupeStats['eventLoopDelayMs'], built.TroupeStats['eventLoopDelayMs']>>,
  Nothing<LostToReader<promised.Troupe, built.Troupe>>,
]

// ---- "troupe": what users hand over --------------------------------------------------------------------------------------
export type Given = [
  Nothing<LostToWriter<promised.TroupeOptions, built.TroupeOptions>>,
  Nothing<LostToWriter<promised.Logger, built.Logger>>,
  Nothing<LostToCaller<promised.Logger, built.Logger>>,
  Nothing<LostToWriter<promised.StartOptions, built.StartOptions>>,
  Nothing<LostToWriter<promised.RunFilter, built.RunFilter>>,
  Nothing<LostToWriter<promised.QueueOptions, built.QueueOptions>>,
  Nothing<LostToWriter<promised.ScheduleOptions, built.ScheduleOptions>>,
  Nothing<LostToWriter<Options<promised.RunHandle<number>['send'], 1>, Options<built.RunHandle<number>['send'], 1>>>,
  Nothing<LostToWriter<Options<promised.RunHandle<number>['getEvent'], 1>, Options<built.RunHandle<number>['getEvent'], 1>>>,
  Nothing<LostToWriter<Options<promised.RunHandle<number>['readStream'], 1>, Options<built.RunHandle<number>['readStream'], 1>>>,
  Nothing<LostToWriter<Options<promised.RunHandle<number>['fork'], 0>, Options<built.RunHandle<number>['fork'], 0>>>,
  Nothing<LostToWriter<Options<promised.Troupe['prune'], 0>, Options<built.Troupe['prune'], 0>>>,
  Nothing<LostToCaller<promised.RunHandle<number>, built.RunHandle<number>>>,
  Nothing<LostToWriter<Options<promised.RunHandle<number>['result'], 0>, Options<built.RunHandle<number>['result'], 0>>>,
  Nothing<LostToWriter<Options<promised.RunHandle<number>['cancel'], 0>, Options<built.RunHandle<number>['cancel'], 0>>>,
  Nothing<LostToCaller<Omit<promised.Troupe, 'unref'>, built.Troupe>>,
  Nothing<LostToWriter<Options<promised.Troupe['start'], 2>, Options<built.Troupe['start'], 2>>>,
  Nothing<LostToWriter<Options<promised.Troupe['startMany'], 1>[number], Options<built.Troupe['startMany'], 1>[number]>>,
  Nothing<LostToWriter<Options<promised.Troupe['list'], 0>, Options<built.Troupe['list'], 0>>>,
  Nothing<LostToWriter<Options<promised.Troupe['count'], 0>, Options<built.Troupe['count'], 0>>>,
  Nothing<LostToWriter<Options<promised.Troupe['close'], 0>, Options<built.Troupe['close'], 0>>>,
  Nothing<LostToCaller<Pick<typeof promised.Troupe, 'open'>, Pick<typeof built.Troupe, 'open'>>>,
]

// ---- "troupe/workflow" ---------------------------------------------------------------------------------------------------
export type WorkflowNames = Nothing<Exclude<keyof typeof promisedWorkflow, keyof typeof builtWorkflow>>
export type WorkflowClasses = Nothing<LostToCatcher<typeof promisedWorkflow, typeof builtWorkflow>>
export type WorkflowGiven = [
  Nothing<LostToWriter<promisedWorkflow.StepOptions, builtWorkflow.StepOptions>>,
  Nothing<LostToWriter<promisedWorkflow.WorkflowOptions<[string, number]>, builtWorkflow.WorkflowOptions<[string, number]>>>,
  Nothing<LostToWriter<Options<typeof promisedWorkflow.receive, 0>, Options<typeof builtWorkflow.receive, 0>>>,
  Nothing<LostToWriter<Options<typeof promisedWorkflow.send, 2>, Options<typeof builtWorkflow.send, 2>>>,
  Nothing<LostToWriter<Options<typeof promisedWorkflow.getEvent, 2>, Options<typeof builtWorkflow.getEvent, 2>>>,
  Nothing<LostToWriter<Options<typeof promisedWorkflow.startChild, 2>, Options<typeof builtWorkflow.startChild, 2>>>,
  Nothing<LostToWriter<ConstructorParameters<typeof promisedWorkflow.RetryAfterError>[1], ConstructorParameters<typeof builtWorkflow.RetryAfterError>[1]>>,
  Nothing<LostToCaller<typeof promisedWorkflow, typeof builtWorkflow>>,
]
export type WorkflowReceived = [
  Nothing<LostToReader<promisedWorkflow.Step<[string], number>, builtWorkflow.Step<[string], number>>>,
  Nothing<LostToReader<promisedWorkflow.Workflow<[string], number>, builtWorkflow.Workflow<[string], number>>>,
  Nothing<LostToReader<NonNullable<ReturnType<typeof promisedWorkflow.currentRun>>, NonNullable<ReturnType<typeof builtWorkflow.currentRun>>>>,
  Nothing<LostToReader<NonNullable<ReturnType<typeof promisedWorkflow.currentStep>>, NonNullable<ReturnType<typeof builtWorkflow.currentStep>>>>,
  Nothing<LostToReader<Awaited<ReturnType<typeof promisedWorkflow.startChild>>, Awaited<ReturnType<typeof builtWorkflow.startChild>>>>,
]

// ---- "troupe/testing" ----------------------------------------------------------------------------------------------------
export type TestingNames = Nothing<Exclude<keyof typeof promisedTesting | 'TestTroupe', keyof typeof builtTesting>>
export type TestingClasses = Nothing<LostToCatcher<typeof promisedTesting, typeof builtTesting>>
export type TestingGiven = [
  // The clock is a class with private members: that it is taken, the assignment below says.
  Nothing<LostToWriter<Omit<promisedTesting.TestTroupeOptions, 'clock'>, Omit<builtTesting.TestTroupeOptions, 'clock'>>>,
  Nothing<LostToWriter<promisedTesting.TestClockOptions, builtTesting.TestClockOptions>>,
  Nothing<LostToWriter<promisedTesting.CrashPlace, builtTesting.CrashPlace>>,
  Nothing<LostToWriter<promisedTesting.HistoryOptions, builtTesting.HistoryOptions>>,
  Nothing<LostToCaller<promisedTesting.TestTroupeExtras, builtTesting.TestTroupe>>,
  Nothing<LostToCaller<promisedTesting.TestClock, builtTesting.TestClock>>,
  Nothing<LostToCaller<typeof promisedTesting, typeof builtTesting>>,
  Nothing<LostToCaller<Omit<promised.Troupe, 'unref'>, builtTesting.TestTroupe>>,
]
export type TestingReceived = [
  Nothing<LostToReader<promisedTesting.TestTroupeExtras, builtTesting.TestTroupe>>,
  Nothing<LostToReader<promised.Troupe, builtTesting.TestTroupe>>,
  Nothing<LostToReader<promisedTesting.TestClock, builtTesting.TestClock>>,
  Nothing<LostToReader<promisedTesting.HistoryReport, builtTesting.HistoryReport>>,
  Nothing<LostToReader<promisedTesting.HistoryFinding, builtTesting.HistoryFinding>>,
]

// ---- signatures with type parameters and overloads, as values: assigned whole -----------------------------------------------
export function assignable(
  { Troupe }: typeof built, { TestTroupe, TestClock }: typeof builtTesting, workflowModule: typeof builtWorkflow, run: built.RunHandle<number>, troupe: built.Troupe,
): readonly unknown[] {
  const step: typeof promisedWorkflow.step = workflowModule.step
  const workflow: typeof promisedWorkflow.workflow = workflowModule.workflow
  const runStep: typeof promisedWorkflow.runStep = workflowModule.runStep
  const startChild: typeof promisedWorkflow.startChild = workflowModule.startChild
  const { receive, send, setEvent, getEvent, writeStream, closeStream, patched }: Pick<typeof promisedWorkflow, 'receive' | 'send' | 'setEvent' | 'getEvent' | 'writeStream' | 'closeStream' | 'patched'> = workflowModule
  const registerError: typeof promisedWorkflow.registerError = workflowModule.registerError
  const retryAfter: typeof promisedWorkflow.RetryAfterError = workflowModule.RetryAfterError
  const nonRetryable: typeof promisedWorkflow.NonRetryableError = workflowModule.NonRetryableError
  const open: typeof promised.Troupe.open = options => Troupe.open(options)
  const openTest: promisedTesting.OpenTestTroupe = options => TestTroupe.open({ ...options, clock: new TestClock({ startsAt: new Date(0) }) })
  const handle: promised.RunHandle<number> = run
  const opened: promised.Troupe = troupe
  return [step, workflow, runStep, startChild, registerError, retryAfter, nonRetryable, open, openTest, handle, opened, receive, send, setEvent, getEvent, writeStream, closeStream, patched]
}
