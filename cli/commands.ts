// Which command does which operation of the API. An operation that is not here has no command, which a test finds.

export type Command = {
  /** `noun verb` */
  words: string
  /** What follows `ocpctl noun verb` in the example of its help. */
  example: string
  /** The fields that are given by their place; those of the path when left out. */
  places?: string[]
  /** The same command under one word. */
  short?: string
  /** It is asked for on a terminal whether this is meant. */
  confirm?: string
  /** These are read from standard input: they may be secrets, and everybody on the host reads arguments. */
  stdin?: string[]
  /** It has a file of its own instead of the one for all operations. */
  own?: true
}

export const commands: Record<string, Command> = {
  requestCluster: {
    words: 'cluster create',
    short: 'create',
    places: ['name'],
    example: 'demo --profile aws-standard --ttl-hours 8 --wait=90m',
  },
  listClusters: { words: 'cluster list', short: 'ls', example: '--status READY --team blue' },
  getCluster: { words: 'cluster get', short: 'get', example: 'demo -o json' },
  extendCluster: { words: 'cluster extend', short: 'extend', example: 'demo --hours 24' },
  scaleWorkers: { words: 'cluster scale', example: 'demo --replicas 5 --wait' },
  hibernateCluster: { words: 'cluster hibernate', example: 'demo --reason "the weekend" --wait' },
  resumeCluster: { words: 'cluster resume', example: 'demo --wait' },
  setOffHours: {
    words: 'cluster set-off-hours',
    example: 'demo --zone Europe/Berlin --awake "Mon-Fri 07:00-19:00"',
  },
  clearOffHours: { words: 'cluster clear-off-hours', example: 'demo' },
  overrideOffHours: { words: 'cluster override-off-hours', example: 'demo --until 3h --state awake' },
  destroyCluster: {
    words: 'cluster destroy',
    short: 'destroy',
    example: 'demo --wait',
    confirm: 'It is taken away with all that is in it, for ever.',
  },
  getEmptiness: { words: 'cluster emptiness', example: 'demo -o json > demo.json' },
  getCertificateKeys: { words: 'cluster keys', example: '-o json > ocpctl-keys.json' },
  listTimeline: { words: 'cluster timeline', example: 'demo' },
  listClusterJobs: { words: 'cluster jobs', example: 'demo' },
  abandonCluster: {
    words: 'cluster abandon',
    example: 'demo --reason "its account is closed"',
    confirm: 'What is left of it in the cloud stays there, and is recorded for ever.',
  },
  adoptCluster: { words: 'cluster adopt', places: ['clusterId'], example: 'clu_01k0000000e0000000000000000 --dry-run' },
  protectCluster: { words: 'cluster protect', example: 'demo --reason "the fair" --until 5d' },
  unprotectCluster: { words: 'cluster unprotect', example: 'demo' },
  releaseLock: {
    words: 'cluster release-lock',
    example: 'demo --dry-run',
    confirm: 'Its job is handed to another worker, if its worker does not renew the lock meanwhile.',
  },
  getOutputs: { words: 'cluster outputs', example: 'demo' },
  getKubeconfig: { words: 'cluster kubeconfig', short: 'kubeconfig', example: 'demo --merge', own: true },
  revealKubeadminPassword: { words: 'cluster kubeadmin-password', example: 'demo -o json' },

  listJobs: { words: 'job list', example: '--status RUNNING' },
  getJob: { words: 'job get', example: 'job_01k0000000e0000000000000000' },
  cancelJob: { words: 'job cancel', example: 'job_01k0000000e0000000000000000 --wait' },
  retryJob: { words: 'job retry', example: 'job_01k0000000e0000000000000000 --wait=90m' },
  readJobLog: { words: 'job logs', short: 'logs', example: 'demo --tail 50', own: true },
  streamJobLog: { words: 'job logs', short: 'logs', example: 'demo --follow', own: true },

  createOperation: {
    words: 'operation create',
    places: ['verb'],
    example: 'destroy --filter status=READY --filter team=blue --dry-run',
    confirm: 'It is done to every cluster that matches; --dry-run shows to which.',
  },
  listOperations: { words: 'operation list', example: '' },
  getOperation: { words: 'operation get', example: 'ops_01k0000000e0000000000000000' },
  listOperationItems: { words: 'operation items', example: 'ops_01k0000000e0000000000000000 --outcome REFUSED -o csv' },

  listArtifacts: { words: 'artifact list', example: 'demo' },
  readArtifact: {
    words: 'artifact download',
    example: 'demo art_01k0000000e0000000000000000 --file snapshot.tar.zst',
  },

  listProfiles: { words: 'profile list', example: '' },
  getProfile: { words: 'profile get', example: 'aws-standard' },

  getUsage: { words: 'usage get', example: '--window month --group-by team --group-by day' },
  forecastUsage: { words: 'usage forecast', example: '' },
  listUsageSamples: { words: 'usage samples', places: ['clusterId'], example: 'demo --window 7d' },

  streamEvents: { words: 'event watch', example: '--type job --cluster demo', own: true },

  listFindings: { words: 'finding list', example: '--open' },
  resolveFinding: {
    words: 'finding resolve',
    example: 'fnd_01k0000000e0000000000000000 --reason "taken away by hand"',
  },
  acceptFinding: {
    words: 'finding accept',
    example: 'fnd_01k0000000e0000000000000000 --reason "the audit keeps it"',
    confirm: 'Nothing is done about it until it changes.',
  },
  listLeaks: { words: 'leak list', example: '' },

  listTokens: { words: 'api-token list', example: '' },
  createToken: {
    words: 'api-token create',
    places: ['name'],
    example: '"blue pipeline" --scope read,write --stands-for itself',
  },
  revokeToken: { words: 'api-token revoke', example: 'tok_01k0000000e0000000000000000' },

  listBindings: { words: 'role-binding list', example: '' },
  createBinding: {
    words: 'role-binding create',
    example: '--team blue --role requester --principal-type oidc_group --principal developers',
  },
  updateBinding: { words: 'role-binding update', example: 'rbm_01k0000000e0000000000000000 --no-enabled' },
  deleteBinding: { words: 'role-binding delete', example: 'rbm_01k0000000e0000000000000000' },

  listWebhooks: { words: 'webhook list', example: '' },
  createWebhook: {
    words: 'webhook create',
    stdin: ['url'],
    example: '--team blue --url-stdin --type cluster.ready < url.txt',
  },
  changeWebhook: {
    words: 'webhook update',
    stdin: ['url'],
    example: 'whk_01k0000000e0000000000000000 --rotate-secret',
  },
  deleteWebhook: { words: 'webhook delete', example: 'whk_01k0000000e0000000000000000' },
  testWebhook: { words: 'webhook test', example: 'whk_01k0000000e0000000000000000' },
  listDeliveries: { words: 'webhook deliveries', example: 'whk_01k0000000e0000000000000000' },
  redeliver: { words: 'webhook redeliver', example: 'whk_01k0000000e0000000000000000 --since 2d' },

  listAuditEvents: { words: 'audit-event list', example: '--cluster clu_01k0000000e0000000000000000' },
  verifyAuditEvents: { words: 'audit-event verify', example: '' },
  exportAuditEvents: { words: 'audit-event export', example: '--from 30d > audit.jsonl' },

  getQueue: { words: 'queue get', example: '' },
  retryDeadLetters: { words: 'queue retry-dead-letters', example: '--dry-run' },
  listWorkers: { words: 'worker list', example: '' },

  drainWorker: { words: 'worker drain', example: 'wrk_01k0000000e0000000000000000 --dry-run' },
  undrainWorker: { words: 'worker undrain', example: 'wrk_01k0000000e0000000000000000' },

  getIntake: { words: 'intake get', example: '' },
  setIntake: {
    words: 'intake set',
    places: ['kind'],
    example: 'creates --paused --platform aws --reason "AWS is down" --until 2h',
  },

  listSchedules: { words: 'schedule list', example: '' },
  runSchedule: { words: 'schedule run', example: 'report-disagreements' },
  applyRetention: {
    words: 'retention apply',
    example: '--dry-run',
    confirm: 'Snapshots and logs that profiles no longer keep are removed for ever.',
  },

  whoami: { words: 'whoami', example: '--for cluster.destroy --team blue' },
  isAlive: { words: 'server alive', example: '' },
  isReady: { words: 'server ready', example: '' },
}

/** Monitoring reads metrics. The others are for a browser: a link of a mail is a secret and opens a page that asks, and a session is a page's cookie. */
export const withoutCommand = ['readMetrics', 'askLink', 'useLink', 'getSignIn', 'signIn', 'signOut']

/** What people call the fields whose name in the API says too little, or is a list. */
const flagNames: Record<string, string> = { q: 'search', tags: 'tag', types: 'type', scopes: 'scope', ids: 'cluster' }

export const flagOf = (field: string) =>
  flagNames[field] ?? field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
