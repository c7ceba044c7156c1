import { Link } from 'wouter'
import type { Cluster } from '../api'
import { usd } from '../money'
import { Icon } from '../parts/icon'
import { Pill, Progress } from '../parts/pill'
import { shortName } from '../session'
import { Since, span, Until, useNow } from '../time'
import { ActionMenu } from './actions'
import { isMoving, progressOf, sinceOf, stageName, useCluster } from './data'

export type RowDialog = { name: 'extend' | 'destroy'; cluster: Cluster }

type Props = {
  cluster: Cluster
  spent: number | undefined
  isSelected: boolean
  isFocused: boolean
  isGone: boolean
  onSelect: (isRange: boolean) => void
}

export function ClusterRow({ cluster, spent, isSelected, isFocused, isGone, onSelect }: Props) {
  // Rows at rest say all that there is to say. Of the others the job is asked too.
  const isAtRest = cluster.status === 'READY' || cluster.status === 'DESTROYED'
  const detail = useCluster(cluster.id, !isAtRest).data
  return (
    <tr data-selected={isSelected} data-focused={isFocused} data-gone={isGone} data-row>
      <td className="c-select">
        <input
          type="checkbox"
          aria-label={`Select ${cluster.name}`}
          checked={isSelected}
          onChange={() => undefined}
          onClick={(event) => onSelect(event.shiftKey)}
        />
      </td>
      <td className="c-name">
        <Link href={`/clusters/${cluster.id}`} className="strong">
          {cluster.name}
        </Link>
        {cluster.protected ? (
          <span title={`Protected: ${cluster.protectedReason ?? ''}`} className="mark">
            <Icon name="shield" />
            <span className="visually-hidden">protected</span>
          </span>
        ) : null}
        <small>.{cluster.baseDomain}</small>
      </td>
      <td className="c-state">
        <Pill state={cluster.status} />
        <small>
          {isMoving(cluster) && detail?.attempt ? (
            <RowProgress detail={detail} name={cluster.name} />
          ) : (
            <>
              for <Since at={sinceOf(cluster, detail)} />
            </>
          )}
        </small>
      </td>
      <td className="c-region">
        {cluster.platform}
        <small>{cluster.region}</small>
      </td>
      <td className="c-version">{cluster.version}</td>
      <td className="c-profile">{cluster.profile}</td>
      <td className="c-owner">
        <span title={cluster.owner}>{shortName(cluster.owner)}</span>
        <small>{cluster.team}</small>
      </td>
      <td className="c-ends">
        {cluster.status === 'DESTROYED' ? (
          <span className="muted">gone</span>
        ) : cluster.status === 'DESTROYING' ? (
          <span className="muted">ending</span>
        ) : (
          <Until at={cluster.destroyAt} over="overdue" />
        )}
      </td>
      <td className="c-cost num">
        {usd(spent ?? detail?.usdSoFar ?? 0)}
        <small>{usd(cluster.usdPerHour)}/h</small>
      </td>
      <td className="c-menu">
        <ActionMenu cluster={cluster} detail={detail} />
      </td>
    </tr>
  )
}

function RowProgress({ detail, name }: { detail: NonNullable<ReturnType<typeof useCluster>['data']>; name: string }) {
  const progress = progressOf(detail, useNow())
  if (!progress) return null
  return (
    <span className="row-progress">
      <Progress percent={progress.percent} label={`Progress of ${name}`} />
      <span>
        {stageName(progress.stage)}, {progress.percent} %
        {progress.leftMs === undefined ? '' : `, ${span(progress.leftMs)} left`}
      </span>
    </span>
  )
}
