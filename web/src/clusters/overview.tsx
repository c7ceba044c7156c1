import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Schemas } from '../api'
import { usd } from '../money'
import { Icon } from '../parts/icon'
import { Pill } from '../parts/pill'
import { copy } from '../parts/said'
import { shortName } from '../session'
import { Ago, At } from '../time'
import type { TabProps } from './cluster'
import { factsOf } from './outlook'
import { useOutputs } from './outputs'

export function Overview({ cluster }: TabProps) {
  const { job } = cluster
  return (
    <div className="grid">
      <section className="card">
        <h2>Cluster</h2>
        <Facts
          of={{
            Platform: `${cluster.platform}, ${cluster.region}`,
            Version: cluster.version,
            Profile: <Link href={`/profiles?name=${cluster.profile}`}>{cluster.profile}</Link>,
            Size: `${cluster.workerReplicas} workers, ${cluster.vcpu} vCPU in all`,
            Owner: <span title={cluster.owner}>{shortName(cluster.owner)}</span>,
            Team: cluster.team,
            ...(cluster.costCenter === null ? {} : { 'Cost center': cluster.costCenter }),
            ID: <Copied text={cluster.id} what="The ID" />,
            ...(cluster.infraId === null
              ? {}
              : { 'Infrastructure ID': <Copied text={cluster.infraId} what="The ID" /> }),
          }}
        />
      </section>
      <section className="card">
        <h2>Life</h2>
        <Facts
          of={{
            Requested: <At at={cluster.createdAt} />,
            ...(cluster.readyAt === null ? {} : { Ready: <At at={cluster.readyAt} /> }),
            ...(cluster.destroyedAt === null
              ? { Ends: <At at={cluster.destroyAt} /> }
              : {
                  'Proved gone': (
                    <>
                      <At at={cluster.destroyedAt} />{' '}
                      <a href={`/api/v1/clusters/${cluster.id}/emptiness`} download={`${cluster.name}-emptiness.json`}>
                        Certificate
                      </a>
                    </>
                  ),
                }),
            ...(cluster.protected
              ? {
                  Protected: (
                    <>
                      until {cluster.protectedUntil ? <At at={cluster.protectedUntil} /> : 'further notice'}:{' '}
                      {cluster.protectedReason}
                    </>
                  ),
                }
              : {}),
            ...(cluster.abandonedAt === null ? {} : { 'Given up': <At at={cluster.abandonedAt} /> }),
            'An hour': usd(cluster.usdPerHour),
            'So far': usd(cluster.usdSoFar),
            ...(cluster.destroyedAt === null ? { 'At its end': usd(cluster.usdToEnd) } : {}),
          }}
        />
      </section>
      <Hours cluster={cluster} />
      {cluster.status === 'READY' ? <Ways id={cluster.id} /> : null}
      {job ? (
        <section className="card">
          <h2>Newest job</h2>
          <Facts
            of={{
              Job: (
                <span className="row">
                  <Link href={`/jobs/${job.id}`}>{job.type}</Link> <Pill state={job.status} />
                </span>
              ),
              Asked: (
                <>
                  <Ago at={job.createdAt} /> by <span title={job.requestedBy}>{shortName(job.requestedBy)}</span>
                </>
              ),
              ...(cluster.outlook ? factsOf(cluster.outlook) : {}),
              ...(job.reason === null ? {} : { Reason: job.reason }),
              ...(job.message === null ? {} : { Message: job.message }),
            }}
          />
        </section>
      ) : null}
      <section className="card">
        <h2>Tags</h2>
        <Facts of={cluster.effectiveTags} />
      </section>
    </div>
  )
}

/** What it does by the clock. */
function Hours({ cluster }: TabProps) {
  const {
    offHours,
    wanted,
    nextChanges,
    usdSaved,
    usdToSave,
    hibernatedAt,
    wakeBy,
    maintenanceUntil,
    idleHours,
    inUseAt,
  } = cluster
  const facts: Record<string, ReactNode> = {
    ...(hibernatedAt === null ? {} : { 'Asleep since': <At at={hibernatedAt} /> }),
    ...(wakeBy === null ? {} : { 'Wakes at the latest': <At at={wakeBy} /> }),
    ...(maintenanceUntil === null ? {} : { 'Kept awake until': <At at={maintenanceUntil} /> }),
    ...(offHours ? { Awake: `${offHours.awake.join('; ')} (${offHours.zone})` } : {}),
    ...(wanted ? { Now: wanted.says } : {}),
    ...Object.fromEntries(
      nextChanges.slice(0, 2).map(({ at, state }) => [state === 'awake' ? 'Wakes' : 'Sleeps', <At key={at} at={at} />]),
    ),
    ...(idleHours === null ? {} : { 'Sleeps without use after': `${idleHours} h` }),
    ...(idleHours === null || inUseAt === null ? {} : { 'Last used': <At at={inUseAt} /> }),
    ...(usdSaved > 0 ? { 'Saved so far': usd(usdSaved) } : {}),
    ...(usdToSave > 0 ? { 'To be saved': usd(usdToSave) } : {}),
  }
  if (Object.keys(facts).length === 0) return null
  return (
    <section className="card">
      <h2>Sleep</h2>
      <Facts of={facts} />
    </section>
  )
}

function Ways({ id }: { id: string }) {
  const outputs = useOutputs(id).data
  if (!outputs) return null
  return (
    <section className="card">
      <h2>Ways in</h2>
      <Endpoints outputs={outputs} />
      <p className="hint">
        Kubeconfig and password are under <Link href={`/clusters/${id}?tab=access`}>Access</Link>.
      </p>
    </section>
  )
}

export function Endpoints({ outputs }: { outputs: Schemas['Outputs'] }) {
  const { apiUrl, consoleUrl } = outputs
  return (
    <Facts
      of={{
        API: <Copied text={apiUrl} what="The address" />,
        ...(consoleUrl === null
          ? {}
          : {
              Console: (
                <a href={consoleUrl} rel="noreferrer" target="_blank">
                  {consoleUrl} <Icon name="external" />
                </a>
              ),
            }),
      }}
    />
  )
}

export function Facts({ of }: { of: Record<string, ReactNode> }) {
  return (
    <dl className="facts">
      {Object.entries(of).map(([name, value]) => (
        <div key={name} className="fact">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

export function Copied({ text, what }: { text: string; what: string }) {
  return (
    <span className="copied">
      <code>{text}</code>
      <button
        type="button"
        className="quiet square"
        aria-label={`Copy ${text}`}
        title="Copy"
        onClick={() => void copy(text, what)}
      >
        <Icon name="copy" />
      </button>
    </span>
  )
}
