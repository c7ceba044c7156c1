// All metrics, by name. docs/metrics.md shows this list. Alerts and dashboards know the names, so a name is never given
// another meaning.

export type Definition = Readonly<{
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: readonly string[]
  /** The upper ends of the buckets of a histogram. */
  buckets?: readonly number[]
  /** Who knows the value. `database`: one process reckons it for all of them, and each serves the same. */
  of: 'process' | 'database'
}>

/** A second to four hours. */
const jobSeconds = [1, 5, 15, 60, 300, 900, 1800, 2700, 3600, 5400, 7200, 14_400]

export const metricList = {
  // What there is.
  ocpctl_clusters: {
    type: 'gauge',
    help: 'Clusters that are not DESTROYED.',
    labels: ['platform', 'status'],
    of: 'database',
  },
  ocpctl_clusters_past_end: {
    type: 'gauge',
    help: 'Clusters whose end has passed, which nothing protects, and which nobody is destroying.',
    labels: [],
    of: 'database',
  },
  ocpctl_destroy_unproved: {
    type: 'gauge',
    help: 'Clusters whose destroy ended without a proof that nothing is left, and that nobody has given up.',
    labels: [],
    of: 'database',
  },
  ocpctl_cluster_usd_per_hour: {
    type: 'gauge',
    help: 'What clusters cost an hour just now, by the prices of their profiles. The 200 teams that spend most have their own name, the rest is "other".',
    labels: ['platform', 'team'],
    of: 'database',
  },
  ocpctl_leak_usd_per_hour: {
    type: 'gauge',
    help: 'What an hour costs of what was left behind, at most: the price of the whole cluster where that of its resources is not known.',
    labels: [],
    of: 'database',
  },
  ocpctl_findings: {
    type: 'gauge',
    help: 'Open findings that nobody has accepted: disagreements of database, queue, artifact store and cloud. The platform is empty where there is no cluster.',
    labels: ['kind', 'platform'],
    of: 'database',
  },
  ocpctl_cluster_transitions_total: {
    type: 'counter',
    help: 'Moves of clusters to a state, among them DESTROYED.',
    labels: ['platform', 'status'],
    of: 'process',
  },

  // Jobs, queue, workers.
  ocpctl_jobs_total: {
    type: 'counter',
    help: 'Jobs that ended. The reason is empty where the job succeeded.',
    labels: ['type', 'outcome', 'reason'],
    of: 'process',
  },
  ocpctl_job_wait_seconds: {
    type: 'histogram',
    help: 'From the request of a job to the begin of its first attempt.',
    labels: ['type'],
    buckets: jobSeconds,
    of: 'process',
  },
  ocpctl_job_run_seconds: {
    type: 'histogram',
    help: 'From the begin of the first attempt of a job to its end.',
    labels: ['type', 'outcome'],
    buckets: jobSeconds,
    of: 'process',
  },
  ocpctl_job_stage_seconds: {
    type: 'histogram',
    help: 'From the begin of a stage to that of the next one, or to the end of the attempt.',
    labels: ['platform', 'stage'],
    buckets: jobSeconds,
    of: 'process',
  },
  ocpctl_queue_depth: {
    type: 'gauge',
    help: 'Jobs that are not over: PENDING, RUNNING or RETRYING.',
    labels: ['type', 'state'],
    of: 'database',
  },
  ocpctl_queue_oldest_seconds: {
    type: 'gauge',
    help: 'For how long the oldest job waits whose turn it is: no other job of its cluster comes first, and the time of its retry has come. 0: there is none.',
    labels: [],
    of: 'database',
  },
  ocpctl_queue_entries: {
    type: 'gauge',
    help: 'Entries in each of the queues, as the queue counted them within the last minute; "later": not due yet.',
    labels: ['queue', 'state'],
    of: 'database',
  },
  ocpctl_workers: { type: 'gauge', help: 'Workers that live.', labels: [], of: 'database' },
  ocpctl_worker_slots: {
    type: 'gauge',
    help: 'How many jobs the living workers can run installers for at once: busy and free.',
    labels: ['state'],
    of: 'database',
  },
  ocpctl_lock_oldest_seconds: {
    type: 'gauge',
    help: 'For how long the oldest lock of a cluster is held. 0: there is none.',
    labels: [],
    of: 'database',
  },
  ocpctl_lock_unrenewed_seconds: {
    type: 'gauge',
    help: 'Of the lock that was not renewed for longest: for how long. Above the lock time, its worker is gone and nobody has noticed. 0: there is none.',
    labels: [],
    of: 'database',
  },
  ocpctl_takeovers_total: {
    type: 'counter',
    help: 'Jobs that this process took from workers that were gone. "lock": in the middle of an attempt, "delivery": before it began.',
    labels: ['reason'],
    of: 'process',
  },
  ocpctl_lease_lost_total: {
    type: 'counter',
    help: 'Attempts of this worker that became void, because it could not renew their lease or another worker has the job.',
    labels: [],
    of: 'process',
  },

  // What is kept and told.
  ocpctl_snapshot_seconds: {
    type: 'histogram',
    help: 'How long it took to store a snapshot of an installation.',
    labels: [],
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
    of: 'process',
  },
  ocpctl_snapshot_bytes: {
    type: 'histogram',
    help: 'The size of a snapshot as it is stored.',
    labels: [],
    buckets: [1e5, 1e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 1e9],
    of: 'process',
  },
  ocpctl_log_lines_total: {
    type: 'counter',
    help: 'Lines of the logs of jobs.',
    labels: ['level'],
    of: 'process',
  },
  ocpctl_audit_unsealed: {
    type: 'gauge',
    help: 'Audit events that the chain of seals does not have yet.',
    labels: [],
    of: 'database',
  },
  ocpctl_notices_pending: {
    type: 'gauge',
    help: 'Notices that are not handed on yet.',
    labels: [],
    of: 'database',
  },
  ocpctl_webhook_deliveries_total: {
    type: 'counter',
    help: 'Tries of deliveries to webhooks: delivered, retried later, failed for good, or skipped because the webhook is off.',
    labels: ['outcome'],
    of: 'process',
  },
  ocpctl_schedule_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When the newest run of the schedule ended that succeeded.',
    labels: ['schedule'],
    of: 'database',
  },
  ocpctl_schedule_run_seconds: {
    type: 'gauge',
    help: 'How long that run took.',
    labels: ['schedule'],
    of: 'database',
  },
  ocpctl_gauges_timestamp_seconds: {
    type: 'gauge',
    help: 'When the gauges of the database were reckoned. They are served for two minutes, and then no longer.',
    labels: [],
    of: 'database',
  },
  ocpctl_gauges_seconds: {
    type: 'gauge',
    help: 'How long it took to reckon them.',
    labels: [],
    of: 'database',
  },

  // This process.
  http_server_request_duration_seconds: {
    type: 'histogram',
    help: 'From a request to the head of its answer. The route is a pattern, "" where nothing answers at the address.',
    labels: ['http_request_method', 'http_route', 'http_response_status_code'],
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10],
    of: 'process',
  },
  ocpctl_db_connections: {
    type: 'gauge',
    help: 'Connections to the database, of the pool for all and of that for leases.',
    labels: ['pool', 'state'],
    of: 'process',
  },
  ocpctl_db_connections_max: { type: 'gauge', help: 'How many a pool may open.', labels: ['pool'], of: 'process' },
  ocpctl_db_waiting: {
    type: 'gauge',
    help: 'Statements and transactions that wait for a connection.',
    labels: ['pool'],
    of: 'process',
  },
  ocpctl_build_info: { type: 'gauge', help: 'Always 1.', labels: ['version', 'node'], of: 'process' },
  process_cpu_seconds_total: { type: 'counter', help: 'Time of processors that it took.', labels: [], of: 'process' },
  process_start_time_seconds: { type: 'gauge', help: 'When it was started.', labels: [], of: 'process' },
  process_resident_memory_bytes: { type: 'gauge', help: 'Its memory.', labels: [], of: 'process' },
  process_open_fds: { type: 'gauge', help: 'Its open file descriptors, on Linux.', labels: [], of: 'process' },
  process_max_fds: { type: 'gauge', help: 'How many it may open.', labels: [], of: 'process' },
  nodejs_heap_used_bytes: { type: 'gauge', help: 'The heap of V8 that is in use.', labels: [], of: 'process' },
  nodejs_heap_size_bytes: { type: 'gauge', help: 'The heap of V8.', labels: [], of: 'process' },
  nodejs_external_memory_bytes: { type: 'gauge', help: 'Buffers beside the heap.', labels: [], of: 'process' },
  nodejs_eventloop_busy_seconds_total: {
    type: 'counter',
    help: 'For how long the event loop was not idle. Its rate is the share of its one thread that is taken.',
    labels: [],
    of: 'process',
  },
} as const satisfies Record<string, Definition>

export type MetricName = keyof typeof metricList
export type NameOf<Type extends Definition['type']> = {
  [N in MetricName]: (typeof metricList)[N]['type'] extends Type ? N : never
}[MetricName]
export type LabelsOf<N extends MetricName> = Readonly<Record<(typeof metricList)[N]['labels'][number], string>>
