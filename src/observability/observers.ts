// Who is told what happened: the metrics and the traces of this process.
import type { Metrics } from './metrics.ts'
import type { Traces } from './traces.ts'

export type Observers = Readonly<{ metrics: Metrics; traces: Traces }>
