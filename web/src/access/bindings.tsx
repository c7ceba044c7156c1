import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, keyed, take, type Schemas } from '../api'
import { Ask } from '../parts/dialog'
import { Icon } from '../parts/icon'
import { List } from '../parts/list'
import { Menu } from '../parts/menu'
import { say } from '../parts/said'
import { isWriting, shortName, useCaller } from '../session'
import { Ago } from '../time'

type Binding = Schemas['RoleBinding']
const TYPES = ['oidc_group', 'oidc_subject', 'iam_role', 'iam_user', 'iam_group', 'token'] as const
const ROLES = ['requester', 'team_admin', 'auditor', 'platform_admin'] as const

export function Bindings() {
  const queries = useQueryClient()
  const caller = useCaller().data
  const mayWrite = isWriting(caller)
  const [isGiving, setGiving] = useState(false)
  const [leaving, setLeaving] = useState<Binding>()
  const toggle = useMutation({
    mutationFn: ({ id, enabled }: Binding) =>
      take(api.PATCH('/api/v1/role-bindings/{id}', { params: { path: { id } }, body: { enabled: !enabled } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['bindings'] }),
    onError: (error) => say(error.message, { isBad: true }),
  })
  return (
    <>
      {mayWrite ? (
        <div className="filters">
          <button type="button" className="primary" onClick={() => setGiving(true)}>
            <Icon name="plus" /> Give a role
          </button>
        </div>
      ) : null}
      <List<Binding>
        caption="Roles, newest first"
        queryKey={['bindings']}
        fetch={(page) => take(api.GET('/api/v1/role-bindings', { params: { query: page } }))}
        empty="No role is given"
        columns={[
          {
            head: 'Who',
            cell: ({ principal, principalType }) => (
              <>
                <b title={principal}>{principal.length > 40 ? shortName(`:${principal}`) : principal}</b>
                <small>{principalType.replace('_', ' ')}</small>
              </>
            ),
          },
          {
            head: 'Role',
            cell: ({ role, enabled }) => (
              <>
                {role.replace('_', ' ')}
                {enabled ? null : <span className="badge">off</span>}
              </>
            ),
          },
          { head: 'Team', cell: ({ team }) => (team === '*' ? 'all' : team) },
          { head: 'Notes', cell: ({ notes }) => notes, shows: 'wide' },
          {
            head: 'Given',
            cell: ({ createdAt, createdBy }) => (
              <>
                <Ago at={createdAt} />
                <small title={createdBy}>{shortName(createdBy)}</small>
              </>
            ),
            shows: 'medium',
          },
          {
            head: 'Actions',
            isHeadHidden: true,
            cell: (binding) => {
              const reason = mayWrite ? undefined : 'Your credential may only read'
              return (
                <Menu
                  label={`Actions of ${binding.role} of ${binding.principal}`}
                  items={[
                    {
                      label: binding.enabled ? 'Switch off' : 'Switch on',
                      reason,
                      onSelect: () => toggle.mutate(binding),
                    },
                    { label: 'Take it away…', danger: true, reason, onSelect: () => setLeaving(binding) },
                  ]}
                >
                  <Icon name="more" />
                </Menu>
              )
            },
          },
        ]}
      />
      {isGiving ? <Give onClose={() => setGiving(false)} /> : null}
      {leaving ? <Take binding={leaving} onClose={() => setLeaving(undefined)} /> : null}
    </>
  )
}

function Give({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient()
  const [wish, setWish] = useState({
    principalType: 'oidc_group' as Binding['principalType'],
    principal: '',
    team: '',
    role: 'requester' as Binding['role'],
  })
  const give = useMutation({
    mutationFn: () => take(api.POST('/api/v1/role-bindings', { params: { header: keyed() }, body: wish })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['bindings'] })
      say('The role is given')
      onClose()
    },
  })
  return (
    <Ask
      title="Give a role"
      submit="Give it"
      isReady={wish.principal.trim() !== '' && wish.team.trim() !== ''}
      isBusy={give.isPending}
      error={give.error}
      onSubmit={() => give.mutate()}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor="binding-type">Kind</label>
        <select
          id="binding-type"
          value={wish.principalType}
          onChange={(event) => setWish({ ...wish, principalType: event.target.value as Binding['principalType'] })}
        >
          {TYPES.map((type) => (
            <option key={type} value={type}>
              {type.replace('_', ' ')}
            </option>
          ))}
        </select>
      </div>
      <div className="field">
        <label htmlFor="binding-principal">Who</label>
        <input
          id="binding-principal"
          autoFocus
          value={wish.principal}
          onChange={(event) => setWish({ ...wish, principal: event.target.value })}
        />
        <p className="hint">The name of the group or subject, an ARN, or the ID of a token.</p>
      </div>
      <div className="field">
        <label htmlFor="binding-team">Team</label>
        <input
          id="binding-team"
          value={wish.team}
          onChange={(event) => setWish({ ...wish, team: event.target.value })}
        />
        <p className="hint">* is every team.</p>
      </div>
      <div className="field">
        <label htmlFor="binding-role">Role</label>
        <select
          id="binding-role"
          value={wish.role}
          onChange={(event) => setWish({ ...wish, role: event.target.value as Binding['role'] })}
        >
          {ROLES.map((role) => (
            <option key={role} value={role}>
              {role.replace('_', ' ')}
            </option>
          ))}
        </select>
      </div>
    </Ask>
  )
}

function Take({ binding, onClose }: { binding: Binding; onClose: () => void }) {
  const queries = useQueryClient()
  const away = useMutation({
    mutationFn: () => take(api.DELETE('/api/v1/role-bindings/{id}', { params: { path: { id: binding.id } } })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['bindings'] })
      say('The role is taken away')
      onClose()
    },
  })
  return (
    <Ask
      title="Take the role away"
      submit="Take it away"
      danger
      isBusy={away.isPending}
      error={away.error}
      onSubmit={() => away.mutate()}
      onClose={onClose}
    >
      <p>
        <b>{binding.principal}</b> is then no {binding.role.replace('_', ' ')} of{' '}
        {binding.team === '*' ? 'every team' : `team ${binding.team}`} any more.
      </p>
    </Ask>
  )
}
