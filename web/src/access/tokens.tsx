import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, keyed, take, type Schemas } from '../api'
import { Copied } from '../clusters/overview'
import { Ask, Dialog } from '../parts/dialog'
import { Icon } from '../parts/icon'
import { List } from '../parts/list'
import { say } from '../parts/said'
import { hasRole, isWriting, shortName, useCaller } from '../session'
import { Ago, At } from '../time'

type Token = Schemas['ApiToken']
const SESSION = 'console session'

export function TokenList({ createdBy, mayMake = false }: { createdBy?: string; mayMake?: boolean }) {
  const caller = useCaller().data
  const [isMaking, setMaking] = useState(false)
  const [leaving, setLeaving] = useState<Token>()
  return (
    <>
      {mayMake && isWriting(caller) ? (
        <div className="filters">
          <button type="button" className="primary" onClick={() => setMaking(true)}>
            <Icon name="plus" /> Make a token
          </button>
        </div>
      ) : null}
      <List<Token>
        caption="Tokens, newest first"
        queryKey={['tokens', createdBy]}
        fetch={(page) =>
          take(
            api.GET('/api/v1/api-tokens', {
              params: { query: { ...page, ...(createdBy === undefined ? {} : { createdBy }) } },
            }),
          )
        }
        empty="There are no tokens"
        columns={[
          {
            head: 'Token',
            cell: ({ name, prefix }) => (
              <>
                <b>{name}</b>
                {name === SESSION ? <span className="badge">session</span> : null}
                {prefix === '' || name === SESSION ? null : <small className="mono">{prefix}…</small>}
              </>
            ),
          },
          { head: 'May', cell: ({ scopes }) => scopes.join(', ') },
          {
            head: 'Stands for',
            cell: ({ standsFor }) => <span title={standsFor.id}>{shortName(`${standsFor.type}:${standsFor.id}`)}</span>,
            shows: 'wide',
          },
          { head: 'Made', cell: ({ createdAt }) => <Ago at={createdAt} />, shows: 'medium' },
          {
            head: 'Last used',
            cell: ({ lastUsedAt }) => (lastUsedAt === null ? 'never' : <Ago at={lastUsedAt} />),
            shows: 'medium',
          },
          { head: 'Ends', cell: ({ expiresAt }) => (expiresAt === null ? 'never' : <At at={expiresAt} />) },
          {
            head: 'Revoke',
            isHeadHidden: true,
            cell: (token) => (
              <button
                type="button"
                aria-label={`Revoke ${token.name}`}
                disabled={!isWriting(caller)}
                onClick={() => setLeaving(token)}
              >
                Revoke…
              </button>
            ),
          },
        ]}
      />
      {isMaking ? (
        <Make mayBeItself={hasRole(caller, 'platform_admin', 'team_admin')} onClose={() => setMaking(false)} />
      ) : null}
      {leaving ? <Revoke token={leaving} onClose={() => setLeaving(undefined)} /> : null}
    </>
  )
}

function Make({ mayBeItself, onClose }: { mayBeItself: boolean; onClose: () => void }) {
  const queries = useQueryClient()
  const [name, setName] = useState('')
  const [mayWrite, setMayWrite] = useState(false)
  const [days, setDays] = useState('90')
  const [isItself, setItself] = useState(false)
  const make = useMutation({
    mutationFn: () =>
      take(
        api.POST('/api/v1/api-tokens', {
          params: { header: keyed() },
          body: {
            name,
            scopes: mayWrite ? ['read', 'write'] : ['read'],
            expiresInDays: Number(days),
            standsFor: isItself ? 'itself' : 'caller',
          },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['tokens'] }),
    gcTime: 0,
  })
  if (make.data)
    return (
      <Dialog title={`The token ${make.data.name}`} onClose={onClose}>
        <div className="dialog-body">
          <p>It is shown only this once. Whoever has it acts as {isItself ? 'this token' : 'you'}.</p>
          <Copied text={make.data.secret} what="The token" />
          {isItself ? (
            <p className="hint">
              It has no rights until a role is bound to <code>token:{make.data.id}</code>.
            </p>
          ) : null}
        </div>
        <footer>
          <button type="button" className="primary" onClick={onClose}>
            I have kept it
          </button>
        </footer>
      </Dialog>
    )
  return (
    <Ask
      title="Make a token"
      submit="Make it"
      isReady={name.trim() !== ''}
      isBusy={make.isPending}
      error={make.error}
      onSubmit={() => make.mutate()}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor="token-name">What it is for</label>
        <input
          id="token-name"
          autoFocus
          maxLength={256}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </div>
      <div className="field">
        <label htmlFor="token-days">Ends after, in days</label>
        <input
          id="token-days"
          type="number"
          min={1}
          max={365}
          required
          value={days}
          onChange={(event) => setDays(event.target.value)}
        />
      </div>
      <label className="check">
        <input type="checkbox" checked={mayWrite} onChange={(event) => setMayWrite(event.target.checked)} />
        It may change things, not only read
      </label>
      {mayBeItself ? (
        <label className="check">
          <input type="checkbox" checked={isItself} onChange={(event) => setItself(event.target.checked)} />
          It stands for itself, and gets roles of its own
        </label>
      ) : null}
    </Ask>
  )
}

function Revoke({ token, onClose }: { token: Token; onClose: () => void }) {
  const queries = useQueryClient()
  const revoke = useMutation({
    mutationFn: () => take(api.DELETE('/api/v1/api-tokens/{id}', { params: { path: { id: token.id } } })),
    onSuccess: () => {
      say(`${token.name} is revoked`)
      void queries.invalidateQueries({ queryKey: ['tokens'] })
      // It may have been the one of this session.
      void queries.invalidateQueries({ queryKey: ['whoami'] })
      onClose()
    },
  })
  return (
    <Ask
      title={`Revoke ${token.name}`}
      submit="Revoke it"
      danger
      isBusy={revoke.isPending}
      error={revoke.error}
      onSubmit={() => revoke.mutate()}
      onClose={onClose}
    >
      <p>
        It lets nobody in any more, at once and for ever
        {token.name === SESSION ? ': whoever uses this session must sign in again' : ''}.
      </p>
    </Ask>
  )
}
