// Follows the stream of notices once for all readers of this process, and gives each what it may see. A reader that
// does not read is cut off, and comes back with the place that it has reached.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { messageOf } from '../errors.ts'
import type { History } from '../jobs/history.ts'
import { outlookOf } from '../jobs/outlook.ts'
import { readJobs } from '../jobs/queries.ts'
import { publishNotices } from '../notices/publish.ts'
import {
  findLastPlace,
  isBehind,
  isKnownPlace,
  readStream,
  textOfPlace,
  type Place,
  type StreamedNotice,
} from '../notices/stream.ts'
import { uptimeMs } from '../uptime.ts'
import type { EventView } from './event-view.ts'
import { showJob, showOutlook } from './routes/shapes.ts'
import type { ShownClusters } from './shown.ts'

const BATCH = 500
/** A word may be lost. */
const LOOK_MS = 1000
/** A worker hands on what is written. Where none has done so by then, this process does it. */
const WORKER_MS = 400
const HEARTBEAT_MS = 15_000
/**
 * Writes are most of what a stream costs. After each round this waits so long for each reader, and what comes meanwhile
 * goes together.
 */
const ROUND_MS_OF_ONE = 1
const LONGEST_ROUND_MS = 400

export type EventReader = Readonly<{
  /** As of the last look at who reads. */
  view: () => EventView
  /** Takes a piece of the stream. Returns false when the reader is gone, or does not read. */
  write: (bytes: Uint8Array) => boolean
  /** Resolves when the reader has read, so that it can be given more. false: it is gone. */
  ready: () => Promise<boolean>
}>

export type EventHub = Readonly<{
  /**
   * Gives the reader all that comes behind the place, or behind now, until the returned function is called. Throws what
   * the database throws.
   */
  follow: (reader: EventReader, behind: Place | undefined) => Promise<() => void>
}>

const NOTHING_NEW = Buffer.from(': nothing new\n\n')

type Event = { notice: StreamedNotice; bytes: Buffer }

export function openEventHub(app: App, shownClusters: ShownClusters, history: History): EventHub {
  /** Each with the place up to which it has all. */
  const readers = new Map<EventReader, Place>()
  /** How far all readers have got. undefined: there is none. */
  let place: Place | undefined
  let running = false
  let wake = () => undefined as void
  /** How often words may have been lost, and how many of these times have been looked into. */
  let gaps = 0
  let lookedInto = 0

  const read = async (behind: Place) => toEvents(app, shownClusters, history, await readStream(app.db, behind, BATCH))
  const giveAll = (bytesOf: (reader: EventReader, has: Place) => Uint8Array, until: Place) => {
    for (const [reader, has] of readers)
      if (reader.write(bytesOf(reader, has))) readers.set(reader, isBehind(has, until) ? until : has)
      else readers.delete(reader)
  }
  /** A database may have lost what was told, and tell others in its place. */
  const doubt = async (at: Place) => {
    const gap = gaps
    const newest = await findLastPlace(app.db)
    const isLost = isBehind(newest, at) || (isBehind(at, newest) && !(await isKnownPlace(app.db, at)))
    lookedInto = gap
    if (!isLost) return
    place = newest
    for (const reader of readers.keys()) readers.set(reader, newest)
    const bytes = Buffer.from(said('reset', newest))
    giveAll(() => bytes, newest)
  }

  const follow = async (): Promise<void> => {
    // Something may have been written before anybody listened here.
    let askedAt: number | undefined = uptimeMs()
    let spokeAt = uptimeMs()
    const unhear = [
      app.events.on('event', 'all', () => wake()),
      app.events.on('notice', 'all', () => (askedAt ??= uptimeMs())),
      app.events.onGap(() => (gaps++, wake())),
    ]
    while (readers.size > 0 && place) {
      const word = new Promise<void>((resolve) => {
        const timer = globalThis.setTimeout(resolve, LOOK_MS)
        wake = () => (clearTimeout(timer), resolve())
      })
      try {
        if (lookedInto < gaps) await doubt(place)
        if (askedAt !== undefined && uptimeMs() - askedAt > WORKER_MS) {
          askedAt = undefined
          await publishNotices(app)
        }
        const events = await read(place)
        const last = events.at(-1)?.notice
        if (last) {
          place = last
          askedAt = undefined
          giveAll(openGiving(events), last)
          if (events.length === BATCH) continue
          await setTimeout(Math.min(LONGEST_ROUND_MS, readers.size * ROUND_MS_OF_ONE), undefined, { ref: false })
        }
        if (uptimeMs() - spokeAt >= HEARTBEAT_MS) {
          spokeAt = uptimeMs()
          giveAll(() => NOTHING_NEW, place)
        }
      } catch (error) {
        app.log.warn({ reason: messageOf(error) }, 'the stream of events could not be read and is tried again')
      }
      await word
    }
    for (const stop of unhear) stop()
    place = undefined
    running = false
  }

  return {
    async follow(reader, behind) {
      // Another process may have told more than this one has read.
      const newest = await findLastPlace(app.db)
      const isKnown = behind === undefined || (!isBehind(newest, behind) && (await isKnownPlace(app.db, behind)))
      let at = isKnown ? (behind ?? newest) : newest
      if (!reader.write(Buffer.from(said(isKnown ? 'open' : 'reset', at)))) return () => undefined
      // What lies before the place of all is for this reader alone.
      for (let until = place ?? newest; isBehind(at, until); until = place ?? newest) {
        const events = (await read(at)).filter(({ notice }) => !isBehind(until, notice))
        const last = events.at(-1)?.notice
        if (!(await reader.ready()) || !reader.write(openGiving(events)(reader, at))) return () => undefined
        at = last ?? until
      }
      place ??= at
      readers.set(reader, at)
      if (!running) {
        running = true
        void follow()
      }
      return () => {
        readers.delete(reader)
        if (readers.size === 0) wake()
      }
    },
  }
}

/** `open`: the place from which it goes on. `reset`: what lies between is not known, so what is shown must be read anew. */
const said = (event: 'open' | 'reset', place: Place): string =>
  `id: ${textOfPlace(place)}\nevent: ${event}\ndata: {}\n\n`

/** The JSON of clusters and jobs is as they are now, made once for all readers. */
async function toEvents(
  app: App,
  shownClusters: ShownClusters,
  history: History,
  all: StreamedNotice[],
): Promise<Event[]> {
  if (all.length === 0) return []
  const versions = all.flatMap(({ clusterId: id, rowVersion }) => (id && rowVersion ? [{ id, rowVersion }] : []))
  const jobIds = new Set(all.flatMap(({ jobId, type }) => (jobId && type.startsWith('job.') ? [jobId] : [])))
  const [clusters, jobs] = await Promise.all([
    shownClusters(versions),
    jobIds.size > 0 ? readJobs(app.db, [...jobIds]) : [],
  ])
  const shown = jobs.map(async ({ job, kind }) => {
    const outlook = showOutlook(await outlookOf(history, kind, job))
    return [job.id, JSON.stringify({ ...showJob(job), outlook })] as const
  })
  const jobOf = new Map(await Promise.all(shown))
  return all.map((notice) => {
    const { at, type, team, clusterId, jobId, data } = notice
    const head = JSON.stringify({ type, at: at.toISOString(), team, clusterId, jobId, data }).slice(0, -1)
    const cluster = type.startsWith('cluster.') ? clusters.get(clusterId ?? '') : undefined
    const job = jobOf.get(jobId ?? '')
    const rest = `${cluster ? `,"cluster":${cluster}` : ''}${job ? `,"job":${job}` : ''}}`
    return { notice, bytes: Buffer.from(`id: ${textOfPlace(notice)}\nevent: ${type}\ndata: ${head}${rest}\n\n`) }
  })
}

/** For each reader what it sees of these. Readers with the same view are given the same bytes. */
function openGiving(events: Event[]): (reader: EventReader, has: Place) => Buffer {
  const made = new Map<string, Buffer>()
  const make = (view: EventView, has: Place) => {
    const last = events.at(-1)
    if (last === undefined || !isBehind(has, last.notice)) return Buffer.alloc(0)
    const seen = events.filter(({ notice }) => isBehind(has, notice) && view.shows(notice))
    // A reader that sees nothing of it is still told how far it has got.
    const rest = seen.includes(last) ? '' : `id: ${textOfPlace(last.notice)}\n\n`
    return Buffer.concat([...seen.map(({ bytes }) => bytes), Buffer.from(rest)])
  }
  return (reader, has) => {
    const view = reader.view()
    const key = `${textOfPlace(has)} ${view.name}`
    const bytes = made.get(key) ?? make(view, has)
    made.set(key, bytes)
    return bytes
  }
}
