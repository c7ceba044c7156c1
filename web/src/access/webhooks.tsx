import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, keyed, take, type Schemas } from '../api'
import { Copied } from '../clusters/overview'
import { Ask, Dialog } from '../parts/dialog'
import { Icon } from '../parts/icon'
import { List, Table } from '../parts/list'
import { Menu } from '../parts/menu'
import { Empty, Shown } from '../parts/page'
import { Pill } from '../parts/pill'
import { say } from '../parts/said'
import { isWriting, useCaller } from '../session'
import { Ago } from '../time'

type Webhook = Schemas['Webhook']
const FORMS = ['standard', 'cloudevents', 'slack'] as const

export function Webhooks() {
  const queries = useQueryClient()
  const caller = useCaller().data
  const mayWrite = isWriting(caller)
  const [open, setOpen] = useState<{ what: 'make' } | { what: 'deliveries' | 'delete'; of: Webhook }>()
  const close = () => setOpen(undefined)
  const again = () => queries.invalidateQueries({ queryKey: ['webhooks'] })
  const onError = (error: Error) => say(error.message, { isBad: true })
  const test = useMutation({
    mutationFn: ({ id }: Webhook) =>
      take(api.POST('/api/v1/webhooks/{id}/test', { params: { path: { id }, header: keyed() } })),
    onSuccess: () => say('A test is sent: see the deliveries'),
    onError,
  })
  const toggle = useMutation({
    mutationFn: ({ id, enabled }: Webhook) =>
      take(api.PATCH('/api/v1/webhooks/{id}', { params: { path: { id } }, body: { enabled: !enabled } })),
    onSuccess: again,
    onError,
  })
  const reason = mayWrite ? undefined : 'Your credential may only read'
  return (
    <>
      {mayWrite ? (
        <div className="filters">
          <button type="button" className="primary" onClick={() => setOpen({ what: 'make' })}>
            <Icon name="plus" /> Add a webhook
          </button>
        </div>
      ) : null}
      <List<Webhook>
        caption="Webhooks, newest first"
        queryKey={['webhooks']}
        fetch={(page) => take(api.GET('/api/v1/webhooks', { params: { query: page } }))}
        empty="No program is told of anything"
        columns={[
          {
            head: 'Webhook',
            cell: ({ origin, disabledReason }) => (
              <>
                <b>{origin}</b>
                {disabledReason === null ? null : <small className="danger-text">{disabledReason}</small>}
              </>
            ),
          },
          { head: 'Team', cell: ({ team }) => (team === '*' ? 'all' : team) },
          {
            head: 'Told of',
            cell: ({ types }) => (types.length === 0 ? 'everything' : types.join(', ')),
            shows: 'wide',
          },
          { head: 'Form', cell: ({ form }) => form, shows: 'medium' },
          {
            head: 'State',
            cell: ({ enabled, failingSince }) =>
              enabled ? (
                failingSince === null ? (
                  'on'
                ) : (
                  <>
                    fails since <Ago at={failingSince} />
                  </>
                )
              ) : (
                'off'
              ),
          },
          {
            head: 'Actions',
            isHeadHidden: true,
            cell: (webhook) => (
              <Menu
                label={`Actions of ${webhook.origin}`}
                items={[
                  { label: 'Deliveries', onSelect: () => setOpen({ what: 'deliveries', of: webhook }) },
                  { label: 'Send a test', reason, onSelect: () => test.mutate(webhook) },
                  {
                    label: webhook.enabled ? 'Switch off' : 'Switch on',
                    reason,
                    onSelect: () => toggle.mutate(webhook),
                  },
                  { label: 'Delete…', danger: true, reason, onSelect: () => setOpen({ what: 'delete', of: webhook }) },
                ]}
              >
                <Icon name="more" />
              </Menu>
            ),
          },
        ]}
      />
      {open?.what === 'make' ? <Make onClose={close} onDone={again} /> : null}
      {open?.what === 'deliveries' ? <Deliveries webhook={open.of} onClose={close} mayWrite={mayWrite} /> : null}
      {open?.what === 'delete' ? <Delete webhook={open.of} onClose={close} onDone={again} /> : null}
    </>
  )
}

function Make({ onClose, onDone }: { onClose: () => void; onDone: () => unknown }) {
  const [wish, setWish] = useState({ team: '', url: '', form: 'standard' as Webhook['form'] })
  const make = useMutation({
    mutationFn: () => take(api.POST('/api/v1/webhooks', { params: { header: keyed() }, body: { ...wish, types: [] } })),
    onSuccess: onDone,
    gcTime: 0,
  })
  if (make.data)
    return (
      <Dialog title="The webhook is added" onClose={onClose}>
        <div className="dialog-body">
          <p>Its secret is shown only this once. The receiver checks with it who has sent.</p>
          <Copied text={make.data.secret} what="The secret" />
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
      title="Add a webhook"
      submit="Add it"
      isReady={wish.team !== '' && wish.url !== ''}
      isBusy={make.isPending}
      error={make.error}
      onSubmit={() => make.mutate()}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor="hook-team">Team</label>
        <input
          id="hook-team"
          autoFocus
          value={wish.team}
          onChange={(event) => setWish({ ...wish, team: event.target.value })}
        />
      </div>
      <div className="field">
        <label htmlFor="hook-url">URL</label>
        <input
          id="hook-url"
          type="url"
          placeholder="https://…"
          value={wish.url}
          onChange={(event) => setWish({ ...wish, url: event.target.value })}
        />
        <p className="hint">Only its origin is shown later, since the rest may be a secret.</p>
      </div>
      <div className="field">
        <label htmlFor="hook-form">Form</label>
        <select
          id="hook-form"
          value={wish.form}
          onChange={(event) => setWish({ ...wish, form: event.target.value as Webhook['form'] })}
        >
          {FORMS.map((form) => (
            <option key={form}>{form}</option>
          ))}
        </select>
      </div>
    </Ask>
  )
}

function Deliveries({ webhook, onClose, mayWrite }: { webhook: Webhook; onClose: () => void; mayWrite: boolean }) {
  const deliveries = useQuery({
    queryKey: ['webhooks', webhook.id, 'deliveries'],
    queryFn: () => take(api.GET('/api/v1/webhooks/{id}/deliveries', { params: { path: { id: webhook.id } } })),
    refetchInterval: 3000,
  })
  const send = useMutation({
    mutationFn: (deliveryId: string) =>
      take(
        api.POST('/api/v1/webhooks/{id}/redeliver', {
          params: { path: { id: webhook.id }, header: keyed() },
          body: { deliveryId },
        }),
      ),
    onSuccess: () => say('It is sent again'),
    onError: (error) => say(error.message, { isBad: true }),
  })
  return (
    <Dialog title={`Deliveries to ${webhook.origin}`} onClose={onClose} wide>
      <div className="dialog-body">
        <Shown query={deliveries}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="Nothing was sent yet" />
            ) : (
              <Table
                caption="Deliveries, newest first"
                rows={items}
                columns={[
                  {
                    head: 'Event',
                    cell: ({ type, createdAt }) => (
                      <>
                        {type}
                        <small>
                          <Ago at={createdAt} />
                        </small>
                      </>
                    ),
                  },
                  {
                    head: 'State',
                    cell: ({ status, tries }) => (
                      <>
                        <Pill state={status} />
                        <small>{tries} tries</small>
                      </>
                    ),
                  },
                  {
                    head: 'Answer',
                    cell: ({ answerStatus, problem, tookMs }) => (
                      <>
                        {answerStatus ?? problem}
                        <small>{tookMs === null ? '' : `${tookMs} ms`}</small>
                      </>
                    ),
                  },
                  {
                    head: 'Again',
                    isHeadHidden: true,
                    cell: ({ id }) => (
                      <button type="button" disabled={!mayWrite || send.isPending} onClick={() => send.mutate(id)}>
                        Send again
                      </button>
                    ),
                  },
                ]}
              />
            )
          }
        </Shown>
      </div>
    </Dialog>
  )
}

function Delete({ webhook, onClose, onDone }: { webhook: Webhook; onClose: () => void; onDone: () => unknown }) {
  const remove = useMutation({
    mutationFn: () => take(api.DELETE('/api/v1/webhooks/{id}', { params: { path: { id: webhook.id } } })),
    onSuccess: () => {
      void onDone()
      say('The webhook is deleted')
      onClose()
    },
  })
  return (
    <Ask
      title="Delete the webhook"
      submit="Delete it"
      danger
      isBusy={remove.isPending}
      error={remove.error}
      onSubmit={() => remove.mutate()}
      onClose={onClose}
    >
      <p>{webhook.origin} is told of nothing any more, and its deliveries are forgotten.</p>
    </Ask>
  )
}
