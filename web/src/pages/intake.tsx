// What is paused: for everybody who looks at the queue, and for operators to change.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, keyed, take, type Schemas } from '../api'
import { Ask } from '../parts/dialog'
import { Table } from '../parts/list'
import { shortName } from '../session'
import { toInput, Until } from '../time'
import { ReasonField, useOperatorWish } from './operator-dialogs'

type Pause = Schemas['Pause']
type Scope = 'all' | 'platform' | 'profile' | 'team'
const SCOPES: Record<Scope, string> = { all: 'everybody', platform: 'a platform', profile: 'a profile', team: 'a team' }
const PLATFORMS = ['aws', 'azure', 'gcp', 'ibmcloud'] as const

const nameOf = ({ kind, platform, profile, team }: Pause) =>
  `${kind} of ${platform ?? profile ?? (team === null ? 'everybody' : `team ${team}`)}`

export function Intake({ mayWrite }: { mayWrite: boolean }) {
  const [isAsked, setAsked] = useState(false)
  const [resumed, setResumed] = useState<Pause>()
  const intake = useQuery({ queryKey: ['intake'], queryFn: () => take(api.GET('/api/v1/intake')) })
  const pauses = intake.data?.items ?? []
  return (
    <section className="stack" aria-label="Paused">
      <div className="row spread">
        <h2>{pauses.length === 0 ? 'Nothing is paused' : 'Paused'}</h2>
        <button type="button" disabled={!mayWrite} onClick={() => setAsked(true)}>
          Pause…
        </button>
      </div>
      {pauses.length === 0 ? null : (
        <Table
          caption="Paused"
          rows={pauses}
          columns={[
            { head: 'What', cell: (pause) => <b>{nameOf(pause)}</b> },
            { head: 'Until', cell: ({ until }) => <Until at={until} /> },
            { head: 'Reason', cell: ({ reason }) => reason },
            {
              head: 'By',
              cell: ({ requestedBy }) => <span title={requestedBy}>{shortName(requestedBy)}</span>,
              shows: 'wide',
            },
            {
              head: 'Resume',
              isHeadHidden: true,
              cell: (pause) => (
                <button type="button" disabled={!mayWrite} onClick={() => setResumed(pause)}>
                  Resume…
                </button>
              ),
            },
          ]}
        />
      )}
      {isAsked ? <PauseDialog onClose={() => setAsked(false)} /> : null}
      {resumed ? <ResumeDialog pause={resumed} onClose={() => setResumed(undefined)} /> : null}
    </section>
  )
}

type Wanted = {
  kind: Pause['kind']
  paused: boolean
  platform?: (typeof PLATFORMS)[number]
  profile?: string
  team?: string
  reason?: string
  until?: string
}

/** What it would come to is asked for first, as soon as the wish is whole. */
function useIntakeWish(wanted: Wanted, isWhole: boolean, onClose: () => void, done: string) {
  const queries = useQueryClient()
  const preview = useQuery({
    queryKey: ['intake preview', wanted],
    queryFn: () => take(api.PUT('/api/v1/intake', { params: { query: { dryRun: 'true' } }, body: wanted })),
    enabled: isWhole,
    staleTime: 0,
    retry: false,
  })
  const wish = useOperatorWish(
    'intake',
    { onClose },
    (key) => take(api.PUT('/api/v1/intake', { params: { header: keyed(key) }, body: wanted })),
    () => {
      void queries.invalidateQueries({ queryKey: ['queue'] })
      return done
    },
  )
  return { jobs: preview.data?.jobs, ask: { ...wish, error: wish.error ?? preview.error, isReady: isWhole } }
}

function PauseDialog({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<Pause['kind']>('creates')
  const [scope, setScope] = useState<Scope>('all')
  const [name, setName] = useState('')
  const [reason, setReason] = useState('')
  const [until, setUntil] = useState(() => toInput(new Date(Date.now() + 2 * 3_600_000)))
  const platform = PLATFORMS.find((each) => each === name) ?? PLATFORMS[0]
  const of = scope === 'all' ? {} : scope === 'platform' ? { platform } : { [scope]: name }
  const isWhole = reason.trim() !== '' && until !== '' && (scope === 'all' || scope === 'platform' || name !== '')
  const end = until === '' ? '' : new Date(until).toISOString()
  const wanted: Wanted = { kind, paused: true, ...of, reason, until: end }
  const { jobs, ask } = useIntakeWish(wanted, isWhole, onClose, `${kind} are paused`)
  return (
    <Ask title="Pause" submit={`Pause ${kind}`} danger {...ask}>
      <div className="row">
        <select aria-label="What" value={kind} onChange={(event) => setKind(event.target.value as Pause['kind'])}>
          <option value="creates">creates</option>
          <option value="destroys">destroys</option>
        </select>
        <select aria-label="Of" value={scope} onChange={(event) => setScope(event.target.value as Scope)}>
          {Object.entries(SCOPES).map(([value, said]) => (
            <option key={value} value={value}>
              of {said}
            </option>
          ))}
        </select>
        {scope === 'platform' ? (
          <select aria-label="Platform" value={platform} onChange={(event) => setName(event.target.value)}>
            {PLATFORMS.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        ) : scope === 'all' ? null : (
          <input aria-label="Name" value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </div>
      <ReasonField value={reason} onChange={setReason} />
      <div className="field">
        <label htmlFor="until">Until</label>
        <input id="until" type="datetime-local" value={until} onChange={(event) => setUntil(event.target.value)} />
      </div>
      <p className="hint">
        What is asked for meanwhile is accepted and waits, and requesters read the reason.
        {jobs ? ` Now ${jobs.waiting}${jobs.isWhole ? '' : ' or more'} wait; ${jobs.running} that run go on.` : ''}
      </p>
    </Ask>
  )
}

function ResumeDialog({ pause, onClose }: { pause: Pause; onClose: () => void }) {
  const { kind, platform, profile, team } = pause
  const of = platform ? { platform } : profile ? { profile } : team ? { team } : {}
  const { jobs, ask } = useIntakeWish({ kind, paused: false, ...of }, true, onClose, `${nameOf(pause)} are resumed`)
  return (
    <Ask title={`Resume ${nameOf(pause)}`} submit="Resume" {...ask}>
      <p>It is paused because: {pause.reason}</p>
      {jobs ? <p>{jobs.waiting} jobs may begin, as far as nothing else pauses them.</p> : null}
    </Ask>
  )
}
