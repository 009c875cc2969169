/** Who takes part, and how each is set up. */
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PEERS } from './places.ts'
import type { ServerKind } from './servers.ts'

export interface System {
  /** As it is named on the command line. */
  readonly name: string
  readonly title: string
  readonly packages: readonly string[]
  readonly server?: ServerKind
  readonly store: string
  readonly module: string
  /** Processes that run workflows; 'cores': as many as there are, wherever that is better for it than one. */
  readonly processes: 1 | 'cores'
  /** Whether each process has a database of its own. */
  readonly ownDatabase?: true
  /** What it really gives when it says that a step is done. */
  readonly durable: string
  /** Why it cannot take part on this machine, whatever is installed. */
  readonly cannotRun?: string
}

const ON_FLUSH = 'yes: flushed to disk'
const contestant = (name: string): string => pathToFileURL(join(PEERS, 'contestants', `${name}.js`)).href

export const SYSTEMS: readonly System[] = [
  {
    name: 'troupe', title: 'troupe', packages: ['troupe'], store: 'embedded (LMDB)',
    module: new URL('../fixtures/peer-troupe.js', import.meta.url).href, processes: 1, durable: ON_FLUSH,
  },
  {
    name: 'dbos', title: 'DBOS', packages: ['@dbos-inc/dbos-sdk'], server: 'PostgreSQL', store: 'PostgreSQL',
    module: contestant('dbos'), processes: 'cores', durable: ON_FLUSH,
  },
  {
    name: 'restate', title: 'Restate', packages: ['@restatedev/restate-sdk', '@restatedev/restate-server'], server: 'Restate', store: 'its own server (RocksDB)',
    module: contestant('restate'), processes: 'cores', durable: ON_FLUSH,
  },
  {
    name: 'openworkflow', title: 'openworkflow', packages: ['openworkflow'], server: 'PostgreSQL', store: 'PostgreSQL',
    module: contestant('openworkflow'), processes: 'cores', durable: ON_FLUSH,
  },
  {
    name: 'openworkflow-sqlite', title: 'openworkflow/SQLite', packages: ['openworkflow'], store: 'embedded (SQLite)',
    module: contestant('openworkflow'), processes: 1, durable: ON_FLUSH,
    ...(!isBuiltin('node:sqlite') && { cannotRun: `its SQLite store needs node:sqlite, which Node has from 22.5 on; this is ${process.version}` }),
  },
  {
    name: 'bullmq', title: 'BullMQ always', packages: ['bullmq'], server: 'Redis, appendfsync always', store: 'Redis, appendfsync always',
    module: contestant('bullmq'), processes: 'cores', durable: 'yes: flushed to disk (a job that saves how far it is; no replay)',
  },
  {
    name: 'bullmq-everysec', title: 'BullMQ everysec', packages: ['bullmq'], server: 'Redis, appendfsync everysec', store: 'Redis, appendfsync everysec',
    module: contestant('bullmq'), processes: 'cores', durable: 'no: flushed once a second, so power loss takes up to about 1 s',
  },
  {
    name: 'effect', title: 'Effect cluster', packages: ['effect', '@effect/cluster', '@effect/workflow'], server: 'PostgreSQL', store: 'PostgreSQL',
    module: contestant('effect'), processes: 'cores', ownDatabase: true, durable: ON_FLUSH,
  },
]

export interface Goals {
  readonly firstStage: number
  readonly goal: number
}

/** What troupe's steps a second are to be, in times the peer's, by workflows in flight. */
const GOALS: Readonly<Record<string, Readonly<Record<number, Goals>>>> = {
  dbos: { 16: { firstStage: 7, goal: 14 }, 128: { firstStage: 25, goal: 60 } },
  restate: { 16: { firstStage: 4, goal: 7 }, 128: { firstStage: 10, goal: 20 } },
  bullmq: { 16: { firstStage: 1, goal: 1.8 }, 128: { firstStage: 1.5, goal: 4 } },
}

export function goalsAgainst(system: string, inFlight: number): Goals | undefined {
  return GOALS[system]?.[inFlight]
}
