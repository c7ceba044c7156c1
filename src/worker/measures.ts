// What metrics and traces are told of an attempt: how long its stages take, a span for it and one for each stage. An
// attempt whose worker dies has no end here, and the next one goes on in the same trace.
import type { App } from '../app.ts'
import type { Stage } from '../installer/stages.ts'
import type { Claim } from '../jobs/claim.ts'
import { spanIdOf, traceOfJob } from '../observability/trace-context.ts'

export type Measures = {
  enter: (stage: Stage) => void
  snapshot: (from: number, sizeBytes: number) => void
  lost: () => void
  end: (outcome: string) => void
}

export function openMeasures({ metrics, traces }: Pick<App, 'metrics' | 'traces'>, claim: Claim): Measures {
  const { cluster, job, attempt } = claim
  const parent = traceOfJob(job)
  const about = { 'cicd.pipeline.run.id': job.id, 'ocpctl.attempt': attempt.number, 'ocpctl.worker': attempt.worker }
  const whole = traces.start(`${job.type} attempt`, { parent, spanId: spanIdOf(attempt.id), attributes: about })
  let isLost = false
  let hasEnded = false
  let under: { stage: Stage; from: number; span: ReturnType<App['traces']['start']> } | undefined
  const leave = () => {
    if (!under) return
    const seconds = (performance.now() - under.from) / 1000
    const { platform } = cluster
    metrics.observe('ocpctl_job_stage_seconds', { platform, stage: under.stage }, seconds, parent.traceId)
    under.span.end()
    under = undefined
  }
  return {
    enter(stage) {
      if (hasEnded || under?.stage === stage) return
      leave()
      const attributes = { 'cicd.pipeline.task.name': stage, ...about }
      under = { stage, from: performance.now(), span: traces.start(stage, { parent: whole.context, attributes }) }
    },
    snapshot(from, sizeBytes) {
      metrics.observe('ocpctl_snapshot_seconds', {}, (performance.now() - from) / 1000, parent.traceId)
      metrics.observe('ocpctl_snapshot_bytes', {}, sizeBytes, parent.traceId)
    },
    lost() {
      if (!isLost) metrics.add('ocpctl_lease_lost_total', {})
      isLost = true
    },
    end(outcome) {
      if (hasEnded) return
      leave()
      hasEnded = true
      const attributes = { 'ocpctl.attempt.outcome': outcome }
      whole.end({ attributes, ...(outcome === 'failed' || outcome === 'lost' ? { error: outcome } : {}) })
    },
  }
}
