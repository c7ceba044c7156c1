// Stacked bars by day. It draws on a canvas, so the figures must also be in a table beside it.
import 'uplot/dist/uPlot.min.css'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import { usd } from '../money'

type Series = { label: string; values: number[] }
type Props = { label: string; x: number[]; series: Series[] }

/** Told apart by people who see few colors, on light and on dark. */
const COLORS = ['#3d7ddb', '#e08a1e', '#2fa36b', '#9b5de5', '#d1495b', '#6b7a90', '#00a3b4', '#b5a100']
const HEIGHT = 240
const DAY = 86_400

export default function Chart({ label, x, series }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const text = JSON.stringify([x, series])
  useEffect(() => {
    const root = box.current
    if (!root) return
    const [days, given] = JSON.parse(text) as [number[], Series[]] // made above
    // The first lies behind, with all that is stacked on it.
    const sums = given.map((_, index) =>
      days.map((_, day) => given.slice(index).reduce((sum, { values }) => sum + (values[day] ?? 0), 0)),
    )
    const styles = getComputedStyle(root)
    const line = styles.getPropertyValue('--line').trim() || '#ddd'
    const axis = { stroke: styles.color, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } }
    const bars = uPlot.paths.bars?.({ size: [0.6, 48], radius: 0.1 })
    const first = (days[0] ?? 0) - DAY / 2
    const chart = new uPlot(
      {
        width: root.clientWidth,
        height: HEIGHT,
        scales: {
          x: { range: () => [first, Math.max(days.at(-1) ?? 0, first + 6 * DAY) + DAY / 2] },
          y: { range: (_, __, most) => [0, Math.max(0.01, most * 1.1)] },
        },
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
        axes: [
          { ...axis, incrs: [DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY], values: (_, at) => at.map((each) => new Date(each * 1000).toISOString().slice(5, 10)) }, // prettier-ignore
          { ...axis, size: 64, values: (_, amounts) => amounts.map(usd) },
        ],
        cursor: { drag: { x: false, y: false } },
        series: [
          { label: 'Day', value: (_, at) => (at ? new Date(at * 1000).toISOString().slice(0, 10) : '–') },
          ...given.map(({ label, values }, index) => ({
            label,
            ...(bars ? { paths: bars } : {}),
            fill: COLORS[index % COLORS.length] ?? '#888',
            stroke: COLORS[index % COLORS.length] ?? '#888',
            width: 0,
            points: { show: false },
            value: (_: uPlot, __: number, ___: number, day: number | null) =>
              day === null ? '–' : usd(values[day] ?? 0),
          })),
        ],
      },
      [days, ...sums],
      root,
    )
    const sized = new ResizeObserver(() => chart.setSize({ width: root.clientWidth, height: HEIGHT }))
    sized.observe(root)
    return () => {
      sized.disconnect()
      chart.destroy()
    }
  }, [text])
  return <div ref={box} className="chart" role="img" aria-label={label} />
}
