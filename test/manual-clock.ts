export { HandClock as ManualClock } from '../lib/testing/hand-clock.ts'
