import { Link } from 'wouter'
import type { Profile } from '../api'
import { Facts } from '../clusters/overview'
import { usd } from '../money'
import { useFilters } from '../parts/address'
import { Failed, Page, Shown } from '../parts/page'
import { useProfiles } from '../profiles'
import { Problem } from '../api'

export default function Profiles() {
  const [params] = useFilters()
  const profiles = useProfiles()
  const name = params.get('name')
  return (
    <Shown query={profiles}>
      {({ items }) => {
        if (name === null)
          return (
            <Page title="Profiles" lead="What is on offer. Each sets what a request may ask for.">
              <div className="cards">
                {items.map((profile) => (
                  <Card key={profile.name} profile={profile} />
                ))}
              </div>
            </Page>
          )
        const profile = items.find((each) => each.name === name)
        return profile ? (
          <One profile={profile} />
        ) : (
          <Failed error={new Problem(404, 'NOT_FOUND', `There is no profile ${name}.`)} />
        )
      }}
    </Shown>
  )
}

const Card = ({ profile }: { profile: Profile }) => (
  <div className="card stack">
    <div>
      <h2>
        <Link href={`/profiles?name=${profile.name}`}>{profile.displayName}</Link>
      </h2>
      <small className="mono">{profile.name}</small>
    </div>
    <p className="muted">{profile.description}</p>
    <p className="row">
      <b>{usd(profile.cost.usdPerHour)}/h</b>
      <span className="muted">
        {profile.platform}, {profile.controlPlane.replicas} + {profile.workers.replicas} nodes
      </span>
      {profile.enabled === false ? <span className="badge">not on offer</span> : null}
    </p>
  </div>
)

const hours = (given: number) => (given % 24 === 0 ? `${given / 24} days` : `${given} hours`)

function One({ profile }: { profile: Profile }) {
  const { controlPlane, workers, lifecycle, cost } = profile
  return (
    <Page
      title={profile.displayName}
      lead={profile.description}
      actions={
        profile.enabled === false ? null : (
          <Link href={`/request?profile=${profile.name}`} className="button primary">
            Request a cluster like this
          </Link>
        )
      }
    >
      <div className="grid">
        <section className="card">
          <h2>What it is</h2>
          <Facts
            of={{
              Name: <code>{profile.name}</code>,
              Platform: profile.platform,
              'Control plane': `${controlPlane.replicas} × ${controlPlane.instanceType}`,
              Workers: `${workers.replicas} × ${workers.instanceType}`,
              'Workers allowed': `${workers.min} to ${workers.max}`,
              FIPS: profile.features?.fips ? 'yes' : 'no',
            }}
          />
        </section>
        <section className="card">
          <h2>What may be asked for</h2>
          <Facts
            of={{
              Versions: `${profile.versions.allowed.join(', ')}; else ${profile.versions.default}`,
              Regions: `${profile.regions.allowed.join(', ')}; else ${profile.regions.default}`,
              'Base domains': profile.baseDomains.allowed.join(', '),
              Teams: profile.access?.teams.join(', ') ?? 'every team',
            }}
          />
        </section>
        <section className="card">
          <h2>Life and price</h2>
          <Facts
            of={{
              'Lives for': hours(lifecycle.defaultTtlHours),
              'At most': hours(lifecycle.maxTtlHours),
              'An hour': usd(cost.usdPerHour),
              ...(cost.usdPerWorkerHour === undefined ? {} : { 'A further worker': `${usd(cost.usdPerWorkerHour)}/h` }),
              'Reckoned from': cost.reckoned,
              'Prices of': cost.pricedAt,
            }}
          />
        </section>
      </div>
    </Page>
  )
}
