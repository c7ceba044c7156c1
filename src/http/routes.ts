// All operations of the API.
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Env } from './env.ts'
import { adoptionRoutes } from './routes/adoption.ts'
import { tokenRoutes } from './routes/api-tokens.ts'
import { artifactRoutes } from './routes/artifacts.ts'
import { auditRoutes } from './routes/audit.ts'
import { clusterRoutes } from './routes/clusters.ts'
import { destroyRoutes } from './routes/destroys.ts'
import { scalingRoutes } from './routes/scaling.ts'
import { offHoursRoutes } from './routes/off-hours.ts'
import { sleepingRoutes } from './routes/sleeping.ts'
import { emptinessRoutes, keyRoutes } from './routes/emptiness.ts'
import { endRoutes } from './routes/ends.ts'
import { eventRoutes } from './routes/events.ts'
import { findingRoutes } from './routes/findings.ts'
import { healthRoutes } from './routes/health.ts'
import { intakeRoutes } from './routes/intake.ts'
import { jobRoutes } from './routes/jobs.ts'
import { linkRoutes } from './routes/links.ts'
import { lockRoutes } from './routes/locks.ts'
import { metricRoutes } from './routes/metrics.ts'
import { operationRoutes } from './routes/operations.ts'
import { outputRoutes } from './routes/outputs.ts'
import { profileRoutes } from './routes/profiles.ts'
import { queueRoutes } from './routes/queue.ts'
import { retentionRoutes } from './routes/retention.ts'
import { bindingRoutes } from './routes/role-bindings.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { sessionRoutes } from './routes/session.ts'
import { timelineRoutes } from './routes/timeline.ts'
import { usageRoutes } from './routes/usage.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { whoamiRoutes } from './routes/whoami.ts'
import { workerRoutes } from './routes/workers.ts'

export function addRoutes(http: OpenAPIHono<Env>): OpenAPIHono<Env> {
  http.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  http.route('/', healthRoutes)
  http.route('/', keyRoutes)
  http.route('/', linkRoutes)
  for (const routes of [
    adoptionRoutes,
    clusterRoutes,
    destroyRoutes,
    scalingRoutes,
    sleepingRoutes,
    offHoursRoutes,
    timelineRoutes,
    endRoutes,
    eventRoutes,
    outputRoutes,
    emptinessRoutes,
    jobRoutes,
    operationRoutes,
    findingRoutes,
    profileRoutes,
    whoamiRoutes,
    sessionRoutes,
    tokenRoutes,
    bindingRoutes,
    auditRoutes,
    artifactRoutes,
    usageRoutes,
    queueRoutes,
    workerRoutes,
    intakeRoutes,
    lockRoutes,
    scheduleRoutes,
    webhookRoutes,
    retentionRoutes,
  ])
    http.route('/api/v1', routes)
  http.route('/', metricRoutes)
  return http
}
