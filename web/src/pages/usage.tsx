import { useMutation, useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { Link } from 'wouter'
import { api, problemIn, take } from '../api'
import { Number } from '../clusters/cost'
import { count, usd } from '../money'
import { useFilters } from '../parts/address'
import { Icon } from '../parts/icon'
import { Table } from '../parts/list'
import { Empty, Loading, Page, Shown } from '../parts/page'
import { say } from '../parts/said'
import { saveAs } from '../parts/save'
import { fetchUsage, type UsageQuery } from '../usage'
import { shortName } from '../session'

const Chart = lazy(() => import('../parts/chart'))

const WINDOWS = {
  month: 'This month',
  lastmonth: 'Last month',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  '90d': 'Last 90 days',
}
const GROUPS = ['team', 'owner', 'profile', 'costCenter', 'platform', 'region', 'cluster'] as const
const NAMES: Record<string, string> = { costCenter: 'Cost center' }
const nameOf = (group: string) => NAMES[group] ?? group.charAt(0).toUpperCase() + group.slice(1)
/** The rest is one series, since nobody tells more colors apart. */
const MOST_SERIES = 7

export default function Usage() {
  const [params, change] = useFilters()
  const window = Object.hasOwn(WINDOWS, params.get('window') ?? '') ? (params.get('window') ?? 'month') : 'month'
  const group = GROUPS.find((each) => each === params.get('by')) ?? 'team'
  const usage = useQuery({
    queryKey: ['usage', window, group],
    queryFn: () => fetchUsage({ window, groupBy: [group], compare: 'previous' }),
    placeholderData: (before) => before,
  })
  return (
    <Page
      title="Usage"
      lead="Hours and cost of the clusters of your teams, estimated from the price of each profile."
      actions={<Exports window={window} group={group} />}
    >
      <div className="filters">
        <div className="tabs views" role="group" aria-label="Window">
          {Object.entries(WINDOWS).map(([name, label]) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === window}
              onClick={() => change({ window: name === 'month' ? undefined : name })}
            >
              {label}
            </button>
          ))}
        </div>
        <select
          aria-label="Grouped by"
          value={group}
          onChange={(event) => change({ by: event.target.value === 'team' ? undefined : event.target.value })}
        >
          {GROUPS.map((each) => (
            <option key={each} value={each}>
              By {nameOf(each).toLowerCase()}
            </option>
          ))}
        </select>
      </div>
      <div className="stack">
        <Shown query={usage}>
          {({ items, total, previous, unowned }) => (
            <>
              <div className="numbers">
                <Number label="Cost" value={usd(total.usd)} />
                <Number label="The time before" value={usd(previous?.total.usd ?? 0)} />
                <Number label="Clusters" value={count(total.clusters)} />
                <Number label="Cluster hours" value={count(total.hours)} />
                {unowned.map(({ kind, usd: amount }) => (
                  <Number key={kind} label={kind === 'leaked' ? 'Leaked' : 'Not proved gone'} value={usd(amount)} />
                ))}
              </div>
              <Days window={window} group={group} />
              {items.length === 0 ? (
                <Empty title="Nothing was used" />
              ) : (
                <Table
                  caption={`Usage by ${group}`}
                  rows={items
                    .toSorted((a, b) => b.usd - a.usd)
                    .map((item, index) => ({ ...item, id: String(item[group] ?? index) }))}
                  columns={[
                    { head: nameOf(group), cell: (item) => <GroupName group={group} value={item[group] ?? null} /> },
                    { head: 'Clusters', cell: (item) => count(item.clusters), isNumber: true, shows: 'medium' },
                    { head: 'Hours', cell: (item) => count(item.hours), isNumber: true },
                    { head: 'vCPU hours', cell: (item) => count(item.vcpuHours), isNumber: true, shows: 'wide' },
                    {
                      head: 'The time before',
                      cell: (item) => usd(item.previous?.usd ?? 0),
                      isNumber: true,
                      shows: 'medium',
                    },
                    { head: 'Cost', cell: (item) => <b>{usd(item.usd)}</b>, isNumber: true },
                  ]}
                />
              )}
            </>
          )}
        </Shown>
        <Forecast />
      </div>
    </Page>
  )
}

function GroupName({ group, value }: { group: string; value: string | null }) {
  if (value === null || value === '') return <span className="muted">none</span>
  if (group === 'cluster') return <Link href={`/clusters/${value}`}>…{value.slice(-8)}</Link>
  return <span title={value}>{group === 'owner' ? shortName(value) : value}</span>
}

function Days({ window, group }: { window: string; group: (typeof GROUPS)[number] }) {
  const days = useQuery({
    queryKey: ['usage', 'days', window, group],
    queryFn: () => fetchUsage({ window, groupBy: [group], step: '1d' }),
    placeholderData: (before) => before,
  })
  return (
    <Shown query={days}>
      {({ items }) => {
        if (items.length === 0) return null
        const x = [...new Set(items.map(({ step }) => step ?? ''))].sort()
        const sums = new Map<string, number>()
        const nameIn = (item: (typeof items)[number]) => item[group] ?? 'none'
        for (const item of items) sums.set(nameIn(item), (sums.get(nameIn(item)) ?? 0) + item.usd)
        const names = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name)
        const shown = names.slice(0, MOST_SERIES)
        const valuesOf = (isIn: (name: string) => boolean) =>
          x.map((day) =>
            items.filter((item) => item.step === day && isIn(nameIn(item))).reduce((sum, item) => sum + item.usd, 0),
          )
        const series = shown.map((name) => ({ label: shortName(name), values: valuesOf((each) => each === name) }))
        if (names.length > shown.length)
          series.push({ label: 'others', values: valuesOf((each) => !shown.includes(each)) })
        return (
          <section className="card">
            <h2>USD by day</h2>
            <Suspense fallback={<Loading />}>
              <Chart
                label={`USD by day and ${group}; the table below has the sums`}
                x={x.map((day) => Date.parse(day) / 1000)}
                series={series}
              />
            </Suspense>
          </section>
        )
      }}
    </Shown>
  )
}

function Exports({ window, group }: { window: string; group: (typeof GROUPS)[number] }) {
  const save = useMutation({
    mutationFn: async ({ accept, query }: { accept: string; query: UsageQuery; name: string }) => {
      const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, value.toString()]))
      const response = await fetch(`/api/v1/usage?${search}`, { headers: { accept } })
      if (!response.ok) throw problemIn(await response.json(), response.status)
      return response.text()
    },
    onSuccess: (text, { name }) => saveAs(name, text, 'text/csv'),
    onError: (error) => say(error.message, { isBad: true }),
  })
  return (
    <>
      <button
        type="button"
        disabled={save.isPending}
        onClick={() =>
          save.mutate({ accept: 'text/csv', query: { window, groupBy: [group] }, name: `usage-by-${group}.csv` })
        }
      >
        <Icon name="download" /> CSV
      </button>
      <button
        type="button"
        disabled={save.isPending}
        onClick={() => save.mutate({ accept: 'text/csv;profile=focus-1.2', query: { window }, name: 'focus-1.2.csv' })}
      >
        <Icon name="download" /> FOCUS 1.2
      </button>
    </>
  )
}

function Forecast() {
  const forecast = useQuery({
    queryKey: ['forecast'],
    queryFn: () => take(api.GET('/api/v1/usage/forecast', { params: { query: { months: 3 } } })),
  })
  return (
    <section className="stack">
      <h2>When all clusters live until their end</h2>
      <Shown query={forecast}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="muted">There is nothing to come.</p>
          ) : (
            <Table
              caption="Forecast by month and team"
              rows={items.map((item) => ({ ...item, id: `${item.month} ${item.team}` }))}
              columns={[
                { head: 'Month', cell: ({ month }) => month },
                { head: 'Team', cell: ({ team }) => team },
                { head: 'Spent', cell: ({ usdSpent }) => usd(usdSpent), isNumber: true, shows: 'medium' },
                { head: 'Spent and to come', cell: ({ usdCommitted }) => <b>{usd(usdCommitted)}</b>, isNumber: true },
                {
                  head: 'Limit',
                  cell: ({ usdLimit, isNear }) => (
                    <span className="until" data-tone={isNear ? 'bad' : undefined}>
                      {usdLimit === null ? 'none' : usd(usdLimit)}
                      {isNear ? <small>near</small> : null}
                    </span>
                  ),
                  isNumber: true,
                },
              ]}
            />
          )
        }
      </Shown>
    </section>
  )
}
