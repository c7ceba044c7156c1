import { useState } from 'react'
import { Link } from 'wouter'
import { api, take, type Schemas } from '../api'
import { useFilters } from '../parts/address'
import { List } from '../parts/list'
import { Page } from '../parts/page'
import { FilterSelect, Tabs } from '../parts/select'
import { hasRole, isWriting, shortName, useCaller } from '../session'
import { Ago, At } from '../time'
import { FindingDialog, type Judged } from './operator-dialogs'

/** A type that the API has and that is missing here does not compile. */
const all: Record<Schemas['Finding']['type'], true> = {
  'job-without-queue-entry': true,
  'queue-entry-without-job': true,
  'lock-without-worker': true,
  'cluster-without-job': true,
  'resources-of-destroyed-cluster': true,
  'resources-without-cluster': true,
  'snapshot-missing': true,
  'snapshot-corrupt': true,
  'cluster-adopted': true,
}
const TYPES = Object.keys(all) as Schemas['Finding']['type'][] // its keys

export default function Findings() {
  const [params] = useFilters()
  const tab = params.get('tab') ?? 'open'
  return (
    <Page
      title="Findings"
      lead={
        tab === 'leaks'
          ? 'What destroys that were given up have left in the cloud.'
          : 'Where database, queue, artifact store and cloud do not agree.'
      }
      actions={<Tabs label="Parts" tabs={{ open: 'Open', all: 'All', leaks: 'Leaks' }} fallback="open" />}
    >
      {tab === 'leaks' ? <Leaks /> : <FindingList isOpenOnly={tab === 'open'} />}
    </Page>
  )
}

function FindingList({ isOpenOnly }: { isOpenOnly: boolean }) {
  const caller = useCaller().data
  const mayWrite = hasRole(caller, 'platform_admin') && isWriting(caller)
  const [judged, setJudged] = useState<Judged>()
  const [params] = useFilters()
  const type = TYPES.find((each) => each === params.get('type'))
  return (
    <>
      <div className="filters">
        <FilterSelect name="type" label="Type" any="Any type" options={TYPES} />
      </div>
      <List
        caption="Findings, newest first"
        queryKey={['findings', type, isOpenOnly]}
        fetch={(page) =>
          take(
            api.GET('/api/v1/findings', {
              params: {
                query: { ...page, ...(type ? { type } : {}), ...(isOpenOnly ? { open: 'true' as const } : {}) },
              },
            }),
          )
        }
        empty={isOpenOnly ? 'Everything agrees' : 'Nothing was ever found'}
        columns={[
          {
            head: 'Finding',
            cell: ({ type, detail }) => (
              <>
                <b>{type.replaceAll('-', ' ')}</b>
                <small>{detail}</small>
              </>
            ),
          },
          {
            head: 'Cluster',
            cell: ({ clusterId, clusterName }) =>
              clusterId === null ? '' : <Link href={`/clusters/${clusterId}`}>{clusterName ?? clusterId}</Link>,
            shows: 'medium',
          },
          { head: 'First seen', cell: ({ firstSeenAt }) => <Ago at={firstSeenAt} /> },
          { head: 'Last seen', cell: ({ lastSeenAt }) => <Ago at={lastSeenAt} />, shows: 'wide' },
          {
            head: 'What was done',
            cell: ({ repair, resolvedAt, resolvedReason, acceptedAt, acceptedReason }) => (
              <>
                {repair ?? (resolvedAt === null && acceptedAt === null ? 'An operator must look' : '')}
                {acceptedAt === null ? null : (
                  <small>
                    accepted <At at={acceptedAt} />: {acceptedReason}
                  </small>
                )}
                {resolvedAt === null ? null : (
                  <small>
                    resolved <At at={resolvedAt} />
                    {resolvedReason === null ? '' : `: ${resolvedReason}`}
                  </small>
                )}
              </>
            ),
            shows: 'medium',
          },
          {
            head: 'Change',
            isHeadHidden: true,
            cell: (finding) =>
              finding.resolvedAt !== null ? null : (
                <div className="row">
                  <button type="button" disabled={!mayWrite} onClick={() => setJudged({ finding, as: 'resolve' })}>
                    Resolve…
                  </button>
                  <button type="button" disabled={!mayWrite} onClick={() => setJudged({ finding, as: 'accept' })}>
                    Accept…
                  </button>
                </div>
              ),
          },
        ]}
      />
      {judged ? <FindingDialog {...judged} onClose={() => setJudged(undefined)} /> : null}
    </>
  )
}

const Leaks = () => (
  <List
    caption="Leaks, newest first"
    queryKey={['leaks']}
    fetch={(page) => take(api.GET('/api/v1/leaks', { params: { query: page } }))}
    empty="Nothing was left behind"
    columns={[
      {
        head: 'Cluster',
        cell: ({ clusterId, clusterName, infraIds }) => (
          <>
            <Link href={`/clusters/${clusterId}`} className="strong">
              {clusterName}
            </Link>
            <small className="mono">{infraIds.join(', ')}</small>
          </>
        ),
      },
      {
        head: 'Left in the cloud',
        cell: ({ resources }) =>
          resources === null ? (
            <span className="muted">the cloud could not be asked</span>
          ) : (
            <details>
              <summary>{resources.length} resources</summary>
              <ul className="plain mono">
                {resources.map(({ id, type, name }) => (
                  <li key={id}>
                    {type} {name}
                  </li>
                ))}
              </ul>
            </details>
          ),
      },
      { head: 'Reason', cell: ({ reason }) => reason, shows: 'medium' },
      { head: 'By', cell: ({ recordedBy }) => <span title={recordedBy}>{shortName(recordedBy)}</span>, shows: 'wide' },
      { head: 'Given up', cell: ({ createdAt }) => <At at={createdAt} /> },
    ]}
  />
)
