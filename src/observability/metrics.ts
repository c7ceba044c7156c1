// The numbers that monitoring asks for. What is counted here lives in the memory of the process; no scrape asks the
// database. No label has more than MOST_VALUES values: what comes after them is added up as "other".
import { metricList, type Definition, type LabelsOf, type MetricName, type NameOf } from './metric-list.ts'

/** 200 teams, and all routes. */
const MOST_VALUES = 250
const OTHER = 'other'

export type Reading = { labels: Readonly<Record<string, string>>; value: number }
/** By name. A process of another version may know other names. */
export type Readings = Record<string, Reading[]>
/** Prometheus text 0.0.4, or OpenMetrics 1.0. */
export type Format = 'text' | 'openmetrics'

export const contentTypes: Record<Format, string> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

export type Metrics = Readonly<{
  add: <N extends NameOf<'counter'>>(name: N, labels: LabelsOf<N>, by?: number) => void
  /** `traceId`: of what was observed, shown as an exemplar. */
  observe: <N extends NameOf<'histogram'>>(name: N, labels: LabelsOf<N>, value: number, traceId?: string) => void
  /** Takes the place of all gauges of the database. Names and labels that this version does not have are left out. */
  setGauges: (readings: Readings) => void
  /** Called at each scrape, for what the process knows without being told. Must not wait. */
  collect: (read: () => Readings) => void
  render: (format: Format) => string
}>

type Exemplar = { traceId: string; value: number; at: number }
type Series = { value: number; counts: number[]; exemplars: (Exemplar | undefined)[] }
type Metric = Definition & { name: string; series: Map<string, Series>; values: Set<string>[] }

export function openMetrics(): Metrics {
  const all = new Map<string, Metric>()
  for (const [name, definition] of Object.entries(metricList) as [string, Definition][])
    all.set(name, { ...definition, name, series: new Map(), values: definition.labels.map(() => new Set<string>()) })
  const collectors: (() => Readings)[] = []
  const of = (name: MetricName): Metric => {
    const metric = all.get(name)
    if (!metric) throw new Error(`there is no metric ${name}`)
    return metric
  }
  const take = (readings: Readings) => {
    for (const [name, given] of Object.entries(readings)) {
      const metric = all.get(name)
      if (!metric) continue
      empty(metric)
      for (const { labels, value } of given)
        if (metric.labels.length === Object.keys(labels).length && metric.labels.every((label) => label in labels))
          seriesOf(metric, labels).value += value
    }
  }
  return {
    add(name, labels, by = 1) {
      seriesOf(of(name), labels).value += by
    },
    observe(name, labels, value, traceId) {
      const metric = of(name)
      const series = seriesOf(metric, labels)
      const ends = metric.buckets ?? []
      const found = ends.findIndex((end) => value <= end)
      const bucket = found < 0 ? ends.length : found
      series.value += value
      series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
      if (traceId !== undefined) series.exemplars[bucket] = { traceId, value, at: Date.now() / 1000 }
    },
    setGauges(readings) {
      for (const metric of all.values()) if (metric.of === 'database') empty(metric)
      take(readings)
    },
    collect: (read) => void collectors.push(read),
    render(format) {
      for (const read of collectors) take(read())
      const lines = [...all.values()].flatMap((metric) => linesOf(metric, format))
      return `${lines.join('\n')}\n${format === 'openmetrics' ? '# EOF\n' : ''}`
    },
  }
}

function empty({ series, values }: Metric): void {
  series.clear()
  for (const each of values) each.clear()
}

function seriesOf(metric: Metric, labels: Readonly<Record<string, string>>): Series {
  const text = metric.labels
    .map((label, index) => `${label}="${escape(bounded(metric.values[index], labels[label] ?? ''))}"`)
    .join(',')
  const known = metric.series.get(text)
  if (known) return known
  const counts = metric.buckets ? [...metric.buckets, Infinity].map(() => 0) : []
  const made: Series = { value: 0, counts, exemplars: [] }
  metric.series.set(text, made)
  return made
}

function bounded(known: Set<string> | undefined, value: string): string {
  if (!known || known.has(value)) return value
  if (known.size >= MOST_VALUES) return OTHER
  known.add(value)
  return value
}

const escape = (value: string) =>
  value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('"', String.raw`\"`)

function linesOf(metric: Metric, format: Format): string[] {
  const isOpen = format === 'openmetrics'
  // OpenMetrics gives the name of a counter without its suffix.
  const family = isOpen && metric.type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name
  const unit = isOpen ? /_(seconds|bytes)$/.exec(family)?.[1] : undefined
  const lines = [`# HELP ${family} ${isOpen ? escape(metric.help) : metric.help}`, `# TYPE ${family} ${metric.type}`]
  if (unit !== undefined) lines.push(`# UNIT ${family} ${unit}`)
  for (const [labels, series] of metric.series) {
    if (metric.type === 'histogram') lines.push(...bucketsOf(metric, labels, series, isOpen))
    else lines.push(`${metric.name}${labels && `{${labels}}`} ${series.value}`)
  }
  return lines
}

function bucketsOf({ name, buckets = [] }: Metric, labels: string, series: Series, isOpen: boolean): string[] {
  const before = labels && `${labels},`
  const braced = labels && `{${labels}}`
  let count = 0
  const lines = series.counts.map((counted, index) => {
    count += counted
    const line = `${name}_bucket{${before}le="${endOf(buckets[index], isOpen)}"} ${count}`
    const exemplar = series.exemplars[index]
    if (!isOpen || !exemplar) return line
    return `${line} # {trace_id="${exemplar.traceId}"} ${exemplar.value} ${exemplar.at.toFixed(3)}`
  })
  return [...lines, `${name}_sum${braced} ${series.value}`, `${name}_count${braced} ${count}`]
}

/** OpenMetrics wants a point in each number. */
const endOf = (end: number | undefined, isOpen: boolean): string =>
  end === undefined ? '+Inf' : isOpen && Number.isInteger(end) ? `${end}.0` : String(end)
