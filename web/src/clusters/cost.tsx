// What the cluster has cost, by day and state: drawn, and as the same figures in a table.
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { count, usd } from '../money'
import { Loading, Shown } from '../parts/page'
import { wordOf } from '../parts/pill'
import { useNow } from '../time'
import { fetchSamples } from './data'
import type { TabProps } from './cluster'
import { costByDay, type Sample } from './spans'

const Chart = lazy(() => import('../parts/chart'))

export default function Cost({ cluster }: TabProps) {
  const samples = useQuery({
    queryKey: ['cluster', cluster.id, 'samples'],
    queryFn: () => fetchSamples(cluster.id, cluster.createdAt),
  })
  return <Shown query={samples}>{({ items }) => <Figures cluster={cluster} samples={items} />}</Shown>
}

function Figures({ cluster, samples }: TabProps & { samples: Sample[] }) {
  const now = useNow(10_000)
  const { days, states, total } = costByDay(samples, now, Date.parse(cluster.destroyAt))
  return (
    <div className="stack">
      <div className="numbers">
        <Number label="So far" value={usd(cluster.usdSoFar)} />
        <Number label="An hour now" value={usd(cluster.destroyedAt === null ? cluster.usdPerHour : 0)} />
        {cluster.destroyedAt === null ? <Number label="At its end" value={usd(cluster.usdToEnd)} /> : null}
      </div>
      <section className="card">
        <h2>USD by day and state</h2>
        <Suspense fallback={<Loading />}>
          <Chart
            label="USD by day and state; the table below has the same figures"
            x={days.map(({ day }) => Date.parse(day) / 1000)}
            series={states.map((state) => ({ label: wordOf(state), values: days.map(({ usd }) => usd[state] ?? 0) }))}
          />
        </Suspense>
      </section>
      <div className="table-box" role="region" aria-label="The figures" tabIndex={0}>
        <table className="table">
          <caption className="visually-hidden">USD by day and state</caption>
          <thead>
            <tr>
              <th>Day (UTC)</th>
              <th className="num">Hours</th>
              {states.map((state) => (
                <th key={state} className="num">
                  {wordOf(state)}
                </th>
              ))}
              <th className="num">Together</th>
            </tr>
          </thead>
          <tbody>
            {days.map(({ day, hours, usd: of }) => (
              <tr key={day}>
                <td>{day}</td>
                <td className="num">{count(hours)}</td>
                {states.map((state) => (
                  <td key={state} className="num">
                    {usd(of[state] ?? 0)}
                  </td>
                ))}
                <td className="num">{usd(Object.values(of).reduce((sum, each) => sum + each, 0))}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colSpan={2}>
                Together
              </th>
              {states.map((state) => (
                <td key={state} className="num">
                  {usd(total[state] ?? 0)}
                </td>
              ))}
              <td className="num strong">{usd(Object.values(total).reduce((sum, each) => sum + each, 0))}</td>
            </tr>
          </tfoot>
        </table>
      </div>
    </div>
  )
}

export function Number({ label, value }: { label: string; value: string }) {
  return (
    <div className="card number">
      <span className="muted">{label}</span>
      <b>{value}</b>
    </div>
  )
}
