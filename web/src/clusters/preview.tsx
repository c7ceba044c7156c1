import type { ReactNode } from 'react'
import type { FieldError, Profile } from '../api'
import { usd } from '../money'
import { Refusal } from '../parts/dialog'
import { atLocal } from '../time'
import type { Judgement } from './judge'
import { placeInQueue, restingOn, usually } from './outlook'

type Props = {
  judgement: Judgement | undefined
  profile: Profile
  isFresh: boolean
  /** What is refused, and stands at no field. */
  others: FieldError[]
  problem: Error | undefined
  children: ReactNode
}

/** What the request would come to, by the dry run. */
export function Preview({ judgement, profile, isFresh, others, problem, children }: Props) {
  const preview = judgement?.preview
  const usual = preview?.expectedDuration
  return (
    <>
      <div className="card stack sticky" data-stale={!isFresh}>
        <h2>{profile.displayName}</h2>
        <dl className="facts">
          <dt>An hour</dt>
          <dd className="strong">{usd(preview?.usdPerHour ?? profile.cost.usdPerHour)}</dd>
          <dt>Until its end</dt>
          <dd>{preview ? usd(preview.usdUntilExpiry) : '–'}</dd>
          {preview && preview.usdSaved > 0 ? (
            <>
              <dt>Saved by its off-hours</dt>
              <dd>{usd(preview.usdSaved)}</dd>
            </>
          ) : null}
          <dt>Ends</dt>
          <dd>{preview ? atLocal(preview.destroyAt) : '–'}</dd>
          <dt>Ready after</dt>
          <dd>
            {usual ? (
              <>
                {usually(usual)}
                <small>{restingOn({ basis: usual.basis, count: usual.samples })}</small>
              </>
            ) : (
              'no history yet; about 40 min'
            )}
          </dd>
          {preview && preview.queuePlace > 1 ? (
            <>
              <dt>In the queue</dt>
              <dd>{placeInQueue(preview.queuePlace)}</dd>
            </>
          ) : null}
          <dt>Takes</dt>
          <dd>
            {preview
              ? `${preview.footprint.nodes} ${preview.footprint.nodes === 1 ? 'node' : 'nodes'}, ${preview.footprint.vcpu} vCPU, ${preview.footprint.loadBalancers} load balancers`
              : '–'}
          </dd>
        </dl>
        {others.map(({ pointer, detail }) => (
          <p key={pointer + detail} className="wrong">
            {detail}
          </p>
        ))}
        {(preview?.warnings ?? []).map(({ pointer, detail }) => (
          <p key={pointer + detail} className="hint">
            {detail}
          </p>
        ))}
        {problem ? <Refusal error={problem} /> : null}
        {children}
        {preview ? (
          <details>
            <summary>install-config.yaml</summary>
            <pre className="code" tabIndex={0}>
              {preview.installConfig}
            </pre>
          </details>
        ) : null}
      </div>
    </>
  )
}
