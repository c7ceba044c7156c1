import { lazy, Suspense, useMemo, type ComponentType } from 'react'
import { Link, useParams, useSearchParams } from 'wouter'
import type { ClusterDetail } from '../api'
import { useCommands } from '../parts/commands'
import { Icon } from '../parts/icon'
import { Menu } from '../parts/menu'
import { Loading, Page, Shown } from '../parts/page'
import { Pill, Progress } from '../parts/pill'
import { copy } from '../parts/said'
import { Since, span, Until, useNow } from '../time'
import { useActions } from './actions'
import { isMoving, progressOf, sinceOf, stageName, useCluster } from './data'
import { comparison } from './outlook'
import { Overview } from './overview'

export type TabProps = { cluster: ClusterDetail }

const TABS: Record<string, { label: string; Tab: ComponentType<TabProps> }> = {
  overview: { label: 'Overview', Tab: Overview },
  activity: { label: 'Activity', Tab: lazy(() => import('./activity')) },
  log: { label: 'Log', Tab: lazy(() => import('./log-tab')) },
  access: { label: 'Access', Tab: lazy(() => import('./access')) },
  cost: { label: 'Cost', Tab: lazy(() => import('./cost')) },
  stored: { label: 'Stored state', Tab: lazy(() => import('./stored')) },
}

export default function ClusterPage() {
  const { id = '' } = useParams()
  const cluster = useCluster(id)
  return <Shown query={cluster}>{(data) => <Found cluster={data} />}</Shown>
}

function Found({ cluster }: TabProps) {
  const [params] = useSearchParams()
  const wanted = params.get('tab') ?? 'overview'
  const tab = Object.hasOwn(TABS, wanted) ? wanted : 'overview'
  const Tab = TABS[tab]?.Tab ?? Overview
  const { items, dialog, open } = useActions(cluster, cluster, true)
  const able = items.filter(({ reason, onSelect }) => reason === undefined && onSelect !== undefined)
  const labels = able.map(({ label }) => label).join()
  useCommands(
    useMemo(
      () => [
        ...able.map(({ label, onSelect }) => ({ label, hint: cluster.name, run: () => onSelect?.() })),
        { label: 'Copy a link to this view', run: () => void copy(location.href, 'The link') },
      ],
      // The items are made anew each time; their labels tell whether they have changed.
      // oxlint-disable-next-line react/exhaustive-deps
      [labels, cluster.name],
    ),
  )
  const extend = items.find(({ label }) => label.startsWith('Extend'))
  return (
    <Page
      title={cluster.name}
      lead={
        <span className="row">
          <Pill state={cluster.status} />
          <span>
            for <Since at={sinceOf(cluster, cluster)} />
          </span>
          <span className="mono">
            {cluster.name}.{cluster.baseDomain}
          </span>
          {cluster.actions.includes('extend') ? (
            <span>
              ends <Until at={cluster.destroyAt} />
            </span>
          ) : null}
          {cluster.simulated ? <span className="badge">simulated</span> : null}
        </span>
      }
      actions={
        <>
          <button
            type="button"
            disabled={extend?.reason !== undefined}
            title={extend?.reason}
            onClick={() => open('extend')}
          >
            Extend…
          </button>
          <Menu label={`Actions of ${cluster.name}`} items={items} className="square">
            <Icon name="more" />
          </Menu>
        </>
      }
    >
      <Banners cluster={cluster} />
      <nav className="tabs pages" aria-label={`Parts of ${cluster.name}`}>
        {Object.entries(TABS).map(([name, { label }]) => (
          <Link
            key={name}
            href={name === 'overview' ? `/clusters/${cluster.id}` : `/clusters/${cluster.id}?tab=${name}`}
            aria-current={name === tab ? 'page' : undefined}
          >
            {label}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Loading />}>
        <Tab cluster={cluster} />
      </Suspense>
      {dialog}
    </Page>
  )
}

function Banners({ cluster }: TabProps) {
  const now = useNow()
  const progress = isMoving(cluster) ? progressOf(cluster, now) : undefined
  const compared = cluster.outlook ? comparison(cluster.outlook) : undefined
  const failure = cluster.lastFailure
  const hasFailed = cluster.status === 'FAILED' || cluster.status === 'DESTROY_FAILED'
  return (
    <>
      {progress ? (
        <div className="card stack running" role="group" aria-label="Progress">
          <div className="row spread">
            <b>{stageName(progress.stage)}</b>
            <span className="muted num">
              {progress.percent} %, {span(progress.ranMs)} so far
              {progress.leftMs === undefined ? '' : `, about ${span(progress.leftMs)} left`}
              {compared === undefined ? '' : `, ${compared}`}
            </span>
          </div>
          <Progress percent={progress.percent} label={stageName(progress.stage)} />
        </div>
      ) : cluster.statusReason !== null && !hasFailed ? (
        <div className="banner" data-tone="warn">
          <p>{cluster.statusReason}</p>
        </div>
      ) : null}
      {hasFailed && failure ? (
        <div className="banner" role="group" aria-label="Why it failed">
          <b>{failure.reason ?? 'Failed'}</b>
          <p>{failure.message ?? cluster.statusReason}</p>
          {failure.remedy ? (
            <p>
              <b>What helps:</b> {failure.remedy}
              {failure.actor ? <span className="muted"> ({failure.actor})</span> : null}
            </p>
          ) : null}
        </div>
      ) : hasFailed ? (
        <div className="banner">
          <b>Failed</b>
          <p>{cluster.statusReason}</p>
        </div>
      ) : null}
    </>
  )
}
