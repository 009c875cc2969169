import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { retryDelayMs } from '../../lib/model/retry.ts'
import type { ResolvedRetryPolicy } from '../../lib/model/retry.ts'

const DEFAULTS: ResolvedRetryPolicy = { retriesAllowed: true, maxAttempts: 3, intervalMs: 1000, backoffRate: 2, maxIntervalMs: 3_600_000, jitter: 0 }
const MONTH_MS = 30 * 86_400_000
const NEAR_ONE = 1 - 2 ** -53

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31)
t.comment(`seed ${seed} (TEST_SEED sets it)`)

/** Anything that the checks of options let through. */
const policies: fc.Arbitrary<ResolvedRetryPolicy> = fc.record({
  retriesAllowed: fc.constant(true),
  maxAttempts: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  intervalMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e15, noNaN: true })),
  backoffRate: fc.oneof(fc.constant(1), fc.double({ min: 1, max: 10, noNaN: true }), fc.double({ min: 1, max: Number.MAX_VALUE, noNaN: true })),
  maxIntervalMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e15, noNaN: true })),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
})
const chances = fc.double({ min: 0, max: NEAR_ONE, noNaN: true })
const attempts = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))

function holds(t: Test, property: fc.IProperty<unknown>): void {
  fc.assert(property, { seed, numRuns: 2000 })
  t.pass('2000 cases')
}

t.test('delays grow by the rate from the first one on, and end at the cap', async t => {
  const policy = { ...DEFAULTS, maxAttempts: 20 }
  const delays = Array.from({ length: 14 }, (_, index) => retryDelayMs(policy, index + 1, 0.5))
  t.same(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_024_000, 2_048_000, 3_600_000, 3_600_000])
})

t.test('the first delay is capped like any other', async t => {
  t.equal(retryDelayMs({ ...DEFAULTS, intervalMs: 10_000, maxIntervalMs: 500 }, 1, 0), 500)
})

t.test('there is no delay after the last attempt, and none at all when retries are off', async t => {
  t.equal(retryDelayMs(DEFAULTS, 2, 0), 2000)
  t.equal(retryDelayMs(DEFAULTS, 3, 0), undefined)
  t.equal(retryDelayMs(DEFAULTS, 4, 0), undefined)
  t.equal(retryDelayMs({ ...DEFAULTS, maxAttempts: 1 }, 1, 0), undefined)
  t.equal(retryDelayMs({ ...DEFAULTS, retriesAllowed: false }, 1, 0), undefined)
})

t.test('30 days and more are delays like others', async t => {
  t.equal(retryDelayMs({ ...DEFAULTS, intervalMs: MONTH_MS, maxIntervalMs: 10 * MONTH_MS }, 1, 0), MONTH_MS)
  t.equal(retryDelayMs({ ...DEFAULTS, intervalMs: MONTH_MS, maxIntervalMs: 10 * MONTH_MS }, 2, 0), 2 * MONTH_MS)
})

t.test('a power that overflows is the cap, and an interval of nothing stays nothing', async t => {
  const policy = { ...DEFAULTS, maxAttempts: 5000, backoffRate: 10 }
  t.equal(retryDelayMs(policy, 4000, 0), DEFAULTS.maxIntervalMs)
  t.equal(retryDelayMs({ ...policy, intervalMs: 0 }, 4000, 0), 0)
})

t.test('jitter takes off its share of the capped delay', async t => {
  const policy = { ...DEFAULTS, intervalMs: 10_000, maxIntervalMs: 1000, jitter: 0.4 }
  t.equal(retryDelayMs(policy, 1, 0), 1000)
  t.equal(retryDelayMs(policy, 1, 0.5), 800)
  t.equal(retryDelayMs({ ...policy, jitter: 1 }, 1, 0.25), 750)
})

t.test(`a delay is a finite number from 0 to the cap, whatever the policy, the attempt and chance (seed ${seed})`, async t => {
  holds(t, fc.property(policies, attempts, chances, (policy, attempt, random) => {
    const delay = retryDelayMs(policy, attempt, random)
    return attempt >= policy.maxAttempts ? delay === undefined : Number.isFinite(delay) && delay! >= 0 && delay! <= policy.maxIntervalMs
  }))
})

t.test(`jitter only ever shortens, by its share at most (seed ${seed})`, async t => {
  holds(t, fc.property(policies, attempts, chances, (policy, attempt, random) => {
    const whole = retryDelayMs({ ...policy, jitter: 0 }, attempt, random)
    const delay = retryDelayMs(policy, attempt, random)
    if (whole === undefined) return delay === undefined
    return delay! <= whole && delay! >= whole * (1 - policy.jitter) * (1 - 1e-12) - 1e-9
  }))
})

t.test(`without jitter chance changes nothing, and delays never shrink from one attempt to the next (seed ${seed})`, async t => {
  holds(t, fc.property(policies, fc.integer({ min: 1, max: 40 }), chances, (policy, attempt, random) => {
    const calm = { ...policy, jitter: 0, maxAttempts: 100 }
    const delay = retryDelayMs(calm, attempt, random)!
    return delay === retryDelayMs(calm, attempt, 0) && retryDelayMs(calm, attempt + 1, random)! >= delay
  }))
})
