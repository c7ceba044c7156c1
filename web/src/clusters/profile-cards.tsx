import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Profile } from '../api'
import { usd } from '../money'
import { judge } from './judge'
import { minutes } from './outlook'

const MINUTE_MS = 60_000

type Props = { profiles: Profile[]; chosen: string; choose: (name: string) => void }

function UsualTime({ profile: { name, platform } }: { profile: Profile }) {
  const { data } = useQuery({
    queryKey: ['usual time', name],
    queryFn: () => judge({ name: 'usual-time', platform, profile: name }),
    staleTime: 10 * MINUTE_MS,
  })
  const usual = data?.preview?.expectedDuration
  return usual ? <span className="muted">ready in {minutes(usual.p50Minutes)}</span> : null
}

export function ProfileCards({ profiles, chosen, choose }: Props) {
  const platforms = [...new Set(profiles.map(({ platform }) => platform))]
  const its = profiles.find(({ name }) => name === chosen)?.platform
  const [platform, setPlatform] = useState<string>()
  const shown = platform ?? its ?? platforms[0]
  return (
    <fieldset className="card">
      <legend className="visually-hidden">Profile</legend>
      <div className="row spread">
        <h2>Profile</h2>
        <div className="tabs views" role="group" aria-label="Platform">
          {platforms.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={each === shown}
              onClick={() => {
                setPlatform(each)
                const first = profiles.find((profile) => profile.platform === each)
                if (first) choose(first.name)
              }}
            >
              {each}
            </button>
          ))}
        </div>
      </div>
      <div className="cards">
        {profiles
          .filter((profile) => profile.platform === shown)
          .map((profile) => (
            // The whole card is its label.
            <label key={profile.name} className="choice" data-chosen={profile.name === chosen}>
              <input
                type="radio"
                name="profile"
                value={profile.name}
                checked={profile.name === chosen}
                onChange={() => choose(profile.name)}
              />
              <span className="strong">{profile.displayName}</span>
              <span className="muted">{profile.description}</span>
              <span className="row">
                <b>{usd(profile.cost.usdPerHour)}/h</b>
                <span className="muted">
                  {profile.controlPlane.replicas} + {profile.workers.replicas} nodes
                </span>
                <UsualTime profile={profile} />
                {profile.features?.fips ? <span className="badge">FIPS</span> : null}
              </span>
            </label>
          ))}
      </div>
    </fieldset>
  )
}
