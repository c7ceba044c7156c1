// Asking for a cluster. The API's own dry run judges what is typed, so the form knows no rule of its own.
import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useLocation, useSearchParams } from 'wouter'
import { api, keyed, newKey, Problem, take, type FieldError, type Profile, type Schemas } from '../api'
import { Refusal } from '../parts/dialog'
import { Page, Shown } from '../parts/page'
import { say } from '../parts/said'
import { useProfiles } from '../profiles'
import { hasRole, useCaller } from '../session'
import { Field, TagsField } from './fields'
import { judge, type Body } from './judge'
import { Preview } from './preview'
import { ProfileCards } from './profile-cards'

export type Wish = {
  name: string
  version: string
  region: string
  baseDomain: string
  ttlHours: string
  workerReplicas: string
  team: string
  costCenter: string
  sshPublicKey: string
  tags: [string, string][]
  preserveOnFailure: boolean
  /** Windows with ; between them; empty: none. */
  awake: string
  zone: string
}

const NOTHING: Wish = {
  name: '',
  version: '',
  region: '',
  baseDomain: '',
  ttlHours: '',
  workerReplicas: '',
  team: '',
  costCenter: '',
  sshPublicKey: '',
  tags: [],
  preserveOnFailure: false,
  awake: '',
  zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
}
/** Stands in for the name while there is none, so that the rest can be judged. */
const NO_NAME = 'name'
const JUDGE_AFTER_MS = 250

/** What is left empty is the profile's to say. */
function bodyOf(
  { tags, ttlHours, workerReplicas, preserveOnFailure, awake, zone, ...texts }: Wish,
  profile: Profile,
): Body {
  const windows = awake
    .split(';')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  const given = Object.fromEntries(Object.entries(texts).filter(([, value]) => value.trim() !== ''))
  return {
    name: NO_NAME,
    ...given,
    platform: profile.platform,
    profile: profile.name,
    ...(ttlHours === '' ? {} : { ttlHours: Number(ttlHours) }),
    ...(workerReplicas === '' ? {} : { workerReplicas: Number(workerReplicas) }),
    ...(tags.some(([key]) => key !== '') ? { tags: Object.fromEntries(tags.filter(([key]) => key !== '')) } : {}),
    ...(preserveOnFailure ? { preserveOnFailure } : {}),
    ...(windows.length > 0 && profile.features?.offHours ? { offHours: { zone, awake: windows } } : {}),
  }
}

export default function Request() {
  const profiles = useProfiles()
  return (
    <Page title="Request a cluster" lead="What you type is checked at once, by the same rules that the request meets.">
      <Shown query={profiles}>{({ items }) => <Form profiles={onOffer(items)} />}</Shown>
    </Page>
  )
}

/** The cheapest first, which is what is chosen when nobody chooses. */
const onOffer = (profiles: Profile[]) =>
  profiles
    .filter(({ enabled }) => enabled)
    .sort((a, b) => a.platform.localeCompare(b.platform) || a.cost.usdPerHour - b.cost.usdPerHour)

function Form({ profiles }: { profiles: Profile[] }) {
  const [, go] = useLocation()
  const [params, setParams] = useSearchParams()
  const teams = useTeams()
  const [wish, setWish] = useState<Wish>({ ...NOTHING, team: teams.length === 1 ? (teams[0] ?? '') : '' })
  const [key, setKey] = useState(newKey)
  const profile = profiles.find(({ name }) => name === params.get('profile')) ?? profiles[0]
  const change = (changes: Partial<Wish>) => {
    setWish((before) => ({ ...before, ...changes }))
    setKey(newKey())
  }
  const body = profile && bodyOf(wish, profile)
  const text = JSON.stringify(body)
  const settled = useSettled(text, JUDGE_AFTER_MS)
  const judged = useQuery({
    queryKey: ['dry run', settled],
    queryFn: () => judge(JSON.parse(settled) as Body),
    enabled: profile !== undefined,
    placeholderData: (before) => before,
    staleTime: 15_000,
  })
  const submit = useMutation({
    mutationFn: (wanted: Body) => take(api.POST('/api/v1/clusters', { params: { header: keyed(key) }, body: wanted })),
    onSuccess: (answer) => {
      const { cluster } = answer as { cluster: Schemas['Cluster'] }
      say(`${cluster.name} is requested`)
      go(`/clusters/${cluster.id}?tab=log`)
    },
    onError: (error) => {
      if (error instanceof Problem && error.status >= 400 && error.status < 500) setKey(newKey())
    },
  })
  if (!profile) return <p>No profile is on offer just now.</p>

  const { preview, errors = [], problem } = judged.data ?? {}
  const isFresh = settled === text && !judged.isPlaceholderData
  const isTouched = wish.name !== ''
  const of = (field: string): FieldError[] =>
    errors.filter(({ pointer }) => pointer === `/${field}` && (field !== 'name' || isTouched))
  const fields = ['name', 'version', 'region', 'baseDomain', 'ttlHours', 'workerReplicas', 'team', 'costCenter', 'sshPublicKey', 'tags'] // prettier-ignore
  const others = errors.filter(
    ({ pointer }) =>
      !pointer.startsWith('/offHours') &&
      !fields.some((field) => pointer === `/${field}` || (field === 'tags' && pointer.startsWith('/tags'))),
  )
  const isReady = isFresh && preview?.allowed === true && isTouched
  const text_ = (field: keyof Wish) => ({
    value: wish[field] as string, // of the fields that are texts
    onChange: (value: string) => change({ [field]: value }),
    errors: of(field),
  })
  return (
    <form
      className="request"
      onSubmit={(event) => {
        event.preventDefault()
        if (body && isReady && !submit.isPending && !submit.isSuccess) submit.mutate(body)
      }}
    >
      <section className="stack" aria-label="What you want">
        <ProfileCards
          profiles={profiles}
          chosen={profile.name}
          choose={(name) => {
            setParams({ profile: name }, { replace: true })
            change({ version: '', region: '', baseDomain: '', ttlHours: '', workerReplicas: '' })
          }}
        />
        <div className="card">
          <h2>Your cluster</h2>
          <div className="fields">
            <Field
              label="Name"
              {...text_('name')}
              autoFocus
              hint={`${wish.name || 'name'}.${wish.baseDomain || profile.baseDomains.default}`}
            />
            <Field
              label="Team"
              {...text_('team')}
              options={teams}
              hint="Whose quota and budget it counts against"
              isFree={teams.length === 0}
            />
            <Field
              label="Ends after, in hours"
              type="number"
              {...text_('ttlHours')}
              placeholder={String(profile.lifecycle.defaultTtlHours)}
              hint={`At most ${profile.lifecycle.maxTtlHours}; it is destroyed then, unless it is extended`}
            />
            <Field
              label="Region"
              {...text_('region')}
              options={profile.regions.allowed}
              placeholder={profile.regions.default}
            />
            <Field
              label="Version"
              {...text_('version')}
              suggestions={profile.versions.allowed.filter((each) => !each.endsWith('x'))}
              placeholder={profile.versions.default}
              hint={`One of ${profile.versions.allowed.join(', ')}`}
            />
            <Field
              label="Workers"
              type="number"
              {...text_('workerReplicas')}
              placeholder={String(profile.workers.replicas)}
              hint={`${profile.workers.min} to ${profile.workers.max}`}
            />
            <Field
              label="Base domain"
              {...text_('baseDomain')}
              options={profile.baseDomains.allowed}
              placeholder={profile.baseDomains.default}
            />
            <Field label="Cost center" {...text_('costCenter')} />
            {profile.features?.offHours ? (
              <>
                <Field
                  label="Awake"
                  value={wish.awake}
                  onChange={(awake) => change({ awake })}
                  errors={errors.filter(
                    ({ pointer }) => pointer.startsWith('/offHours/awake') || pointer === '/offHours',
                  )}
                  placeholder="always"
                  hint="Such as Mon-Fri 07:00-19:00; it sleeps at all other times"
                />
                <Field
                  label="Time zone"
                  value={wish.zone}
                  onChange={(zone) => change({ zone })}
                  errors={errors.filter(({ pointer }) => pointer === '/offHours/zone')}
                  suggestions={Intl.supportedValuesOf('timeZone')}
                />
              </>
            ) : null}
          </div>
          <details open={wish.sshPublicKey !== '' || wish.tags.length > 0}>
            <summary>SSH key, tags, what happens when it fails</summary>
            <div className="stack">
              <Field label="SSH public key" {...text_('sshPublicKey')} placeholder="ssh-ed25519 AAAA…" />
              <TagsField
                tags={wish.tags}
                onChange={(tags) => change({ tags })}
                errors={errors.filter(({ pointer }) => pointer.startsWith('/tags'))}
              />
              <label className="check">
                <input
                  type="checkbox"
                  checked={wish.preserveOnFailure}
                  onChange={(event) => change({ preserveOnFailure: event.target.checked })}
                />
                Keep what was made when the installation fails, to look at it
              </label>
            </div>
          </details>
        </div>
      </section>
      <aside className="stack" aria-label="What it comes to">
        <Preview
          judgement={judged.data}
          profile={profile}
          isFresh={isFresh}
          others={isTouched ? others : []}
          problem={problem !== undefined && errors.length === 0 ? problem : (judged.error ?? undefined)}
        >
          {submit.error ? <Refusal error={submit.error} /> : null}
          <button type="submit" className="primary big" disabled={!isReady || submit.isPending || submit.isSuccess}>
            {submit.isPending ? 'Requesting…' : 'Request the cluster'}
          </button>
        </Preview>
      </aside>
    </form>
  )
}

/** The teams in which the caller may ask. Empty: any. */
function useTeams(): string[] {
  const caller = useCaller().data
  if (!caller || hasRole(caller, 'platform_admin')) return []
  const able = caller.bindings.filter(({ role }) => role !== 'auditor').map(({ team }) => team)
  return able.includes('*') ? [] : [...new Set(able)]
}

function useSettled(value: string, afterMs: number): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs)
    return () => clearTimeout(timer)
  }, [value, afterMs])
  return settled
}
