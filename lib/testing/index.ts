/** "troupe/testing": what a test of workflows imports. No part of it is loaded by "troupe" or "troupe/workflow". */
export { TestTroupe } from './test-troupe.ts'
export type { TestTroupeOptions } from './test-troupe.ts'
export { TestClock } from './test-clock.ts'
export type { TestClockOptions } from './test-clock.ts'
export type { CrashPlace } from './crashes.ts'
export { checkHistory } from './history.ts'
export type { HistoryFinding, HistoryOptions, HistoryReport } from './history.ts'
export { StillAtWorkError } from '../errors.ts'
