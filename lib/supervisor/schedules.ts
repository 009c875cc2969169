/** Schedules: each occurrence is one run, whose id names schedule and time, so that it can be started only once. */
import type { Encoded } from '../codec/encoded.ts'
import { lastCronAtMs, nextCronAtMs } from '../cron.ts'
import type { ScheduleReport, ScheduleRequest } from '../protocol/host.ts'
import type { Change } from '../store/contract.ts'
import { EncodedRefusal } from './refusal.ts'
import type { Shell, ShellParts } from './shell.ts'

/** Occurrences started in one turn, where many are caught up with. */
const CATCH_UP_PAGE = 100

interface Schedule {
  readonly request: ScheduleRequest
  /** undefined: there is no further one. */
  nextAtMs: number | undefined
}

export class Schedules {
  readonly #shell: Shell
  readonly #parts: ShellParts
  readonly #schedules = new Map<string, Schedule>()
  /** By name, in order: what is to be set once its arguments are known to be right, unless something later was done before. */
  readonly #checked = new Map<string, ScheduleRequest[]>()
  #alarm: { readonly atMs: number, readonly cancel: () => void } | undefined

  constructor(shell: Shell, parts: ShellParts) {
    this.#shell = shell
    this.#parts = parts
  }

  /** What the store knows; occurrences missed while no host ran follow each schedule's option. */
  load(): void {
    for (const { name, record } of this.#parts.store.settings('schedule')) {
      const { args, nextAtMs, ...request } = JSON.parse(Buffer.from(record).toString()) as Omit<ScheduleReport, 'args'> & { readonly args: string }
      const schedule: Schedule = { request: { ...request, args: Buffer.from(args, 'base64') as Uint8Array as Encoded }, nextAtMs }
      this.#schedules.set(name, schedule)
      this.#catchUp(schedule, schedule.request.missed)
    }
    this.#setAlarm()
  }

  /**
   * Sets it once its arguments are known to be right. Set again or removed meanwhile, by what was asked later, it stays as that left it.
   * @throws UnknownWorkflowError
   */
  setChecked(request: ScheduleRequest, done: () => void, refused: (error: unknown) => void): void {
    const { name, workflow, args } = request
    const { checksArgs } = this.#parts.starts.workflow(workflow)
    if (!checksArgs) {
      this.#checked.delete(name)
      this.#set(request)
      return done()
    }
    const sameName = this.#checked.get(name) ?? []
    this.#checked.set(name, sameName)
    sameName.push(request)
    /** Takes it from those that are looked at. False: it was overtaken. */
    const take = (andBefore: boolean): boolean => {
      const at = this.#checked.get(name) === sameName ? sameName.indexOf(request) : -1
      if (at < 0) return false
      if (andBefore) sameName.splice(0, at + 1)
      else sameName.splice(at, 1)
      if (sameName.length === 0) this.#checked.delete(name)
      return true
    }
    this.#shell.children.checkArgs({ id: name, workflow, args }, taken => {
      if (take(true)) this.#set({ ...request, args: taken })
      done()
    }, error => {
      take(false)
      refused(new EncodedRefusal(error))
    })
  }

  /** An interval that is set again unchanged keeps its rhythm. */
  #set(request: ScheduleRequest): void {
    const known = this.#schedules.get(request.name)
    const keeps = known !== undefined && known.request.everyMs !== undefined && known.request.everyMs === request.everyMs
    const nowMs = this.#parts.clock.nowMs()
    const schedule: Schedule = { request, nextAtMs: keeps ? known.nextAtMs : next(request, nowMs, nowMs) }
    this.#schedules.set(request.name, schedule)
    this.#record(schedule)
    this.#setAlarm()
  }

  remove(name: string): void {
    this.#checked.delete(name)
    if (!this.#schedules.delete(name)) return
    this.#parts.commits.add([{ type: 'setting-removed', kind: 'schedule', name }])
    this.#setAlarm()
  }

  list(): readonly ScheduleReport[] {
    return [...this.#schedules.values()].map(({ request, nextAtMs }) => ({ ...request, nextAtMs })).sort((a, b) => a.name < b.name ? -1 : 1)
  }

  /** Starts what is due. Of several occurrences of one schedule (the machine slept) the last is due, and the others were missed. */
  #ring(): void {
    this.#alarm = undefined
    for (const schedule of this.#schedules.values()) this.#catchUp(schedule, schedule.request.missed === 'all' ? 'all' : 'last')
    this.#setAlarm()
  }

  #catchUp(schedule: Schedule, missed: ScheduleRequest['missed']): void {
    const { request } = schedule
    const nowMs = this.#parts.clock.nowMs()
    const first = schedule.nextAtMs
    if (first === undefined || first > nowMs) return
    if (missed === 'all') {
      // A page at a time: the alarm rings again at once for the rest.
      for (let i = 0; i < CATCH_UP_PAGE && schedule.nextAtMs !== undefined && schedule.nextAtMs <= nowMs; i++) {
        this.#start(request, schedule.nextAtMs)
        schedule.nextAtMs = next(request, schedule.nextAtMs, first)
      }
    } else {
      if (missed === 'last') this.#start(request, last(request, nowMs, first))
      schedule.nextAtMs = next(request, nowMs, first)
    }
    this.#record(schedule)
  }

  #start(request: ScheduleRequest, atMs: number): void {
    const { name, workflow, args, queue } = request
    const id = `${name}@${new Date(atMs).toISOString()}`
    try {
      const start = { id, workflow, args, ...(queue !== undefined && { queue }) }
      if (this.#parts.starts.existing(start) === undefined) this.#shell.children.create(start)
    } catch (error) {
      this.#parts.log('error', { event: 'schedule-failed', schedule: name, runId: id, error }, `Schedule "${name}" could not start its run "${id}": ${String(error)}`)
    }
  }

  #record({ request, nextAtMs }: Schedule): void {
    const text = JSON.stringify({ ...request, args: Buffer.from(request.args).toString('base64'), nextAtMs })
    const change: Change = { type: 'setting-put', kind: 'schedule', name: request.name, record: Buffer.from(text) as Uint8Array as Encoded }
    this.#parts.commits.add([change])
  }

  #setAlarm(): void {
    let nearest: number | undefined
    for (const { nextAtMs } of this.#schedules.values()) {
      if (nextAtMs !== undefined && (nearest === undefined || nextAtMs < nearest)) nearest = nextAtMs
    }
    if (nearest === this.#alarm?.atMs) return
    this.#alarm?.cancel()
    this.#alarm = undefined
    if (nearest === undefined) return
    this.#alarm = { atMs: nearest, cancel: this.#shell.alarms.at(nearest, () => { this.#ring() }) }
  }
}

/** The first occurrence after an instant. `anchorMs`: one occurrence of an interval, which gives its rhythm. */
function next({ cron, everyMs, timezone }: ScheduleRequest, afterMs: number, anchorMs: number): number | undefined {
  if (cron !== undefined) return nextCronAtMs(cron, timezone, afterMs)
  if (everyMs === undefined) return undefined
  return anchorMs + (Math.floor((afterMs - anchorMs) / everyMs) + 1) * everyMs
}

/** The last occurrence at or before an instant, not before one that is known. */
function last({ cron, everyMs, timezone }: ScheduleRequest, nowMs: number, anchorMs: number): number {
  if (cron !== undefined) return lastCronAtMs(cron, timezone, nowMs) ?? anchorMs
  return everyMs === undefined ? anchorMs : anchorMs + Math.floor((nowMs - anchorMs) / everyMs) * everyMs
}
