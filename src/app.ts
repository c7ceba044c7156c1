// The parts that the verbs need. main.ts opens them once and hands them on. No module holds state of its own.
import type { ArtifactStore } from './artifacts/store.ts'
import type { Authenticators } from './auth/authenticate.ts'
import type { CloudCredentials } from './clouds/access.ts'
import type { Instances } from './clouds/instances.ts'
import type { Inventory } from './clouds/inventory.ts'
import type { Config } from './config.ts'
import type { Db } from './db/client.ts'
import type { Events } from './events.ts'
import type { Installer } from './installer/installer.ts'
import type { Reach } from './kubernetes/reach.ts'
import type { Log } from './observability/log.ts'
import type { Observers } from './observability/observers.ts'
import type { Mailer } from './outbound/mailer.ts'
import type { Sender } from './outbound/sender.ts'
import type { Catalog } from './profiles/catalog.ts'
import type { Queue } from './queue/queue.ts'
import type { SecretBox } from './secrets.ts'

export type App = Observers &
  Readonly<{
    config: Config
    /** Separates what this installation owns from what others own in the same cloud accounts. */
    installationId: string
    /** Whether a worker runs in this process. */
    runsJobs: boolean
    log: Log
    db: Db
    /** Used only to renew leases. */
    leaseDb: Db
    queue: Queue
    events: Events
    store: ArtifactStore
    box: SecretBox
    authenticators: Authenticators
    catalog: Catalog
    credentials: CloudCredentials
    inventory: Inventory
    instances: Instances
    installer: Installer
    /** The way into clusters. */
    reach: Reach
    /** Posts to webhooks. */
    sender: Sender
    /** undefined: nobody gets mail. */
    mailer: Mailer | undefined
    /**
     * Called at each point of an operation, mostly after a durable step. Tests hook in here; the service's own does
     * nothing.
     */
    onStep: (point: string, at: { clusterName: string; attempt: number }) => void
  }>
