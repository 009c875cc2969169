/** All benches, in the order in which they run. */
import type { Bench } from './bench.ts'
import { blockedHost } from './blocked-host.ts'
import { cpu } from './cpu.ts'
import { hostDelay } from './host-delay.ts'
import { idle } from './idle.ts'
import { importTime } from './import.ts'
import { job } from './job.ts'
import { latency } from './latency.ts'
import { load } from './load.ts'
import { memory } from './memory.ts'
import { messages } from './messages.ts'
import { mixed } from './mixed.ts'
import { queue } from './queue.ts'
import { recovery } from './recovery.ts'
import { replay } from './replay.ts'
import { respawn } from './respawn.ts'
import { soak } from './soak.ts'
import { starts } from './starts.ts'
import { steps } from './steps.ts'
import { store } from './store.ts'
import { strict } from './strict.ts'
import { timers } from './timers.ts'
import { upkeep } from './upkeep.ts'
import { values } from './values.ts'

export const BENCHES: readonly Bench[] = [
  steps, strict, latency, load, job, cpu, mixed, starts, values, queue, messages, timers, replay, respawn, recovery, upkeep, store, memory,
  hostDelay, blockedHost, idle, importTime, soak,
]
