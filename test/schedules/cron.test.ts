/** Cron expressions: which instants they name, over daylight saving, and which texts are none. */
import fc from 'fast-check'
import t from 'tap'
import { InvalidOptionError } from 'troupe'
import { checkCron, checkTimezone, lastCronAtMs, nextCronAtMs } from '../../lib/cron.ts'
import { seedOf } from '../chance.ts'

const BERLIN = 'Europe/Berlin'

function following(expression: string, timezone: string | undefined, after: string, count: number): string[] {
  const times: string[] = []
  for (let atMs: number | undefined = Date.parse(after); times.length < count; times.push(new Date(atMs).toISOString())) {
    atMs = nextCronAtMs(expression, timezone, atMs)
    if (atMs === undefined) return times
  }
  return times
}

t.test('five fields begin with minutes, six with seconds', async t => {
  t.same(following('30 4 * * *', 'UTC', '2025-01-01T04:30:00.000Z', 2), ['2025-01-02T04:30:00.000Z', '2025-01-03T04:30:00.000Z'], 'the next is after, not at')
  t.same(following('15 30 4 * * *', 'UTC', '2025-01-01T04:30:14.999Z', 2), ['2025-01-01T04:30:15.000Z', '2025-01-02T04:30:15.000Z'])
  t.same(following('*/20 * * * * *', 'UTC', '2025-12-31T23:59:30.000Z', 2), ['2025-12-31T23:59:40.000Z', '2026-01-01T00:00:00.000Z'])
  t.same(following('0 0 * * 1-5', 'UTC', '2025-06-06T12:00:00.000Z', 2), ['2025-06-09T00:00:00.000Z', '2025-06-10T00:00:00.000Z'], 'Friday, Monday')
  t.same(following('0 0 29 2 *', 'UTC', '2025-01-01T00:00:00.000Z', 2), ['2028-02-29T00:00:00.000Z', '2032-02-29T00:00:00.000Z'])
})

t.test('a time of day is that of the time zone, in summer and in winter', async t => {
  t.same(following('0 9 * * *', BERLIN, '2025-03-28T12:00:00Z', 3), ['2025-03-29T08:00:00.000Z', '2025-03-30T07:00:00.000Z', '2025-03-31T07:00:00.000Z'])
  t.same(following('0 9 * * *', BERLIN, '2025-10-24T12:00:00Z', 3), ['2025-10-25T07:00:00.000Z', '2025-10-26T08:00:00.000Z', '2025-10-27T08:00:00.000Z'])
})

t.test('a time that spring leaves out is made up for when the clock has gone forward: once', async t => {
  t.same(following('30 2 * * *', BERLIN, '2025-03-29T12:00:00Z', 2), ['2025-03-30T01:00:00.000Z', '2025-03-31T00:30:00.000Z'])
  t.same(following('0 * * * *', BERLIN, '2025-03-29T23:30:00Z', 3), ['2025-03-30T00:00:00.000Z', '2025-03-30T01:00:00.000Z', '2025-03-30T02:00:00.000Z'], 'each hour that there is')
})

t.test('a time that autumn has twice is one occurrence, and every hour is every hour', async t => {
  t.same(following('30 2 * * *', BERLIN, '2025-10-25T12:00:00Z', 2), ['2025-10-26T00:30:00.000Z', '2025-10-27T01:30:00.000Z'])
  t.same(following('0 * * * *', BERLIN, '2025-10-25T22:30:00Z', 4), ['2025-10-25T23:00:00.000Z', '2025-10-26T00:00:00.000Z', '2025-10-26T01:00:00.000Z', '2025-10-26T02:00:00.000Z'])
})

t.test('the last occurrence at or before an instant is among those that follow each other', async t => {
  t.equal(lastCronAtMs('0 9 * * *', 'UTC', Date.parse('2025-01-02T09:00:00.000Z')), Date.parse('2025-01-02T09:00:00.000Z'), 'the instant itself')
  t.equal(lastCronAtMs('0 9 * * *', 'UTC', Date.parse('2025-01-02T08:59:59.999Z')), Date.parse('2025-01-01T09:00:00.000Z'))
  const seed = seedOf(t)
  const around = fc.constantFrom('2025-03-30T01:00:00Z', '2025-10-26T01:00:00Z', '2025-07-01T00:00:00Z')
  const expression = fc.constantFrom('30 2 * * *', '0 * * * *', '*/15 * * * *', '10 0 3 * * *', '*/10 * * * * *', '0 12 * * 1', '5,35 2 * * 0')
  fc.assert(fc.property(expression, around, fc.integer({ min: -86_400_000, max: 86_400_000 }), (cron, change, offset) => {
    const nowMs = Date.parse(change) + offset
    const lastMs = lastCronAtMs(cron, BERLIN, nowMs)!
    const afterMs = nextCronAtMs(cron, BERLIN, nowMs)!
    return lastMs <= nowMs && afterMs > nowMs && nextCronAtMs(cron, BERLIN, lastMs) === afterMs && nextCronAtMs(cron, BERLIN, lastMs - 1) === lastMs
  }), { seed, numRuns: 300 })
})

t.test('an expression without an occurrence has none', async t => {
  t.equal(nextCronAtMs(checkCron('0 0 31 2 *', undefined), undefined, Date.parse('2025-01-01T00:00:00Z')), undefined)
})

t.test('what is no cron expression of five or six fields is refused, and so is a time zone that there is not', async t => {
  for (const bad of ['', 'daily', '* * * *', '* * * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * * 13 *', '*/0 * * * *', '5-1-3 * * * *', '2030-01-01T00:00:00', '@daily', 7, null, {}]) {
    t.throws(() => checkCron(bad, 'UTC'), InvalidOptionError, JSON.stringify(bad))
  }
  for (const bad of ['', 'Berlin', 'Europe/Berlinn', 7, null]) t.throws(() => checkTimezone(bad), InvalidOptionError, JSON.stringify(bad))
  for (const good of ['* * * * *', '*/5 * * * * *', '0 0 1,15 JAN-MAR MON', ' 0  9 * * * ', '0 0 L * *']) t.equal(checkCron(good, BERLIN), good)
  t.equal(checkTimezone(BERLIN), BERLIN)
})
