import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { api, take, type Schemas } from '../api'
import { useFilters } from '../parts/address'
import { Dialog, Refusal } from '../parts/dialog'
import { Icon } from '../parts/icon'
import { List } from '../parts/list'
import { Page } from '../parts/page'
import { Pill } from '../parts/pill'
import { shortName } from '../session'
import { At } from '../time'

const NAMES = ['actor', 'action', 'cluster', 'from', 'to'] as const
const OUTCOMES: Record<string, string> = { success: 'SUCCEEDED', failure: 'FAILED', denied: 'DENIED' }

export default function Audit() {
  const [params] = useFilters()
  const [isProving, setProving] = useState(false)
  const query = Object.fromEntries(
    NAMES.flatMap((name) => (params.get(name) ? [[name, params.get(name)]] : [])),
  ) as Record<string, string>
  const search = new URLSearchParams(query)
  return (
    <Page
      title="Audit"
      lead="Who did what, and who tried in vain. Nothing in it is ever changed, and a chain of hashes proves so."
      actions={
        <>
          <button type="button" onClick={() => setProving(true)}>
            <Icon name="shield" /> Prove it
          </button>
          <a className="button" href={`/api/v1/audit-events/export?${search}`} download="audit-events.ndjson">
            <Icon name="download" /> Export
          </a>
        </>
      }
    >
      <Filters />
      <List<Schemas['AuditEvent']>
        caption="Events, newest first"
        queryKey={['audit', search.toString()]}
        fetch={(page) => take(api.GET('/api/v1/audit-events', { params: { query: { ...page, ...query } } }))}
        empty="No event is like this"
        columns={[
          { head: 'When', cell: ({ at }) => <At at={at} /> },
          {
            head: 'Who',
            cell: ({ actor, session, address }) => (
              <>
                <span title={actor}>{shortName(actor)}</span>
                <small>{[session, address].filter(Boolean).join(', ')}</small>
              </>
            ),
            shows: 'medium',
          },
          {
            head: 'What',
            cell: ({ action, outcome }) => (
              <>
                <b>{action}</b>
                {outcome === 'success' ? null : <Pill state={OUTCOMES[outcome] ?? outcome} />}
              </>
            ),
          },
          {
            head: 'Cluster',
            cell: ({ clusterId }) =>
              clusterId === null ? '' : <Link href={`/clusters/${clusterId}`}>…{clusterId.slice(-8)}</Link>,
            shows: 'medium',
          },
          {
            head: 'Detail',
            cell: ({ detail }) => (
              <details>
                <summary className="mono">{JSON.stringify(detail).slice(0, 60)}</summary>
                <pre>{JSON.stringify(detail, null, 2)}</pre>
              </details>
            ),
            shows: 'wide',
          },
        ]}
      />
      {isProving ? <Proof onClose={() => setProving(false)} /> : null}
    </Page>
  )
}

function Filters() {
  const [params, change] = useFilters()
  const fields = { actor: 'Actor', action: 'Action', cluster: 'ID of a cluster' }
  return (
    <form
      className="filters"
      role="search"
      key={params.toString()}
      onSubmit={(event) => {
        event.preventDefault()
        const given = new FormData(event.currentTarget)
        change(Object.fromEntries(Object.keys(fields).map((name) => [name, (given.get(name) as string).trim()])))
      }}
    >
      {Object.entries(fields).map(([name, label], index) => (
        <input
          key={name}
          name={name}
          aria-label={label}
          placeholder={label}
          defaultValue={params.get(name) ?? ''}
          {...(index === 0 ? { 'data-search': true } : {})}
        />
      ))}
      <button type="submit">Filter</button>
    </form>
  )
}

function Proof({ onClose }: { onClose: () => void }) {
  const [known, setKnown] = useState({ number: '', hash: '' })
  const verify = useMutation({
    mutationFn: () => {
      const query = known.hash === '' ? {} : { number: Number(known.number), hash: known.hash }
      return take(api.GET('/api/v1/audit-events/verify', { params: { query } }))
    },
  })
  const proof = verify.data
  return (
    <Dialog title="Prove the audit trail" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          verify.mutate()
        }}
      >
        <div className="dialog-body">
          <p className="muted">
            Every event is checked against its seal. With a seal that you know from the log of a worker, everything
            before it is proved against those who rule the database, too.
          </p>
          <div className="field">
            <label htmlFor="seal-number">Number of a seal (optional)</label>
            <input
              id="seal-number"
              inputMode="numeric"
              value={known.number}
              onChange={(event) => setKnown({ ...known, number: event.target.value })}
            />
          </div>
          <div className="field">
            <label htmlFor="seal-hash">Its hash</label>
            <input
              id="seal-hash"
              className="mono"
              value={known.hash}
              onChange={(event) => setKnown({ ...known, hash: event.target.value })}
            />
          </div>
          {proof ? (
            <div className="banner" data-tone={proof.isIntact ? 'ok' : undefined} role="status">
              <b>{proof.isIntact ? 'Every event is as it was sealed' : 'The trail was changed'}</b>
              <p>
                {proof.sealed} sealed, {proof.unsealed} wait for their seal. The newest seal is {proof.head.number}:{' '}
                <code>{proof.head.hash}</code>
              </p>
              {proof.problems.map(({ eventId, kind, detail }) => (
                <p key={`${eventId} ${kind}`}>
                  {kind}: {detail}
                </p>
              ))}
            </div>
          ) : null}
        </div>
        {verify.error ? <Refusal error={verify.error} /> : null}
        <footer>
          <button type="submit" className="primary" disabled={verify.isPending}>
            {verify.isPending ? 'Checking…' : 'Check all of it'}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
