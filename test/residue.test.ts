// What an installer leaves although it ended well.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Resource } from '../src/clouds/inventory.ts'
import { inTheWay, knownResidue, planResidue } from '../src/clouds/residue.ts'
import { platforms, type Platform } from '../src/vocabulary.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

const place = { platform: 'aws' as Platform, region: 'r', name: 'demo', baseDomain: 'example.com' }
const since = new Date('2026-01-01T00:00:00Z')
const thing = (type: string, more: Partial<Resource> = {}): Resource => ({
  id: `id-of-${type}`,
  type,
  name: `demo-abcde-${type}`,
  region: 'r',
  key: 'tag',
  ...more,
})

describe('the plan', () => {
  it('has what the installer is known to leave, in the order in which it can go', () => {
    for (const platform of platforms) {
      const types = knownResidue(platform).flatMap((each) => each.types)
      const found = [...types, 'something-else'].toReversed().map((type) => thing(type))
      expect(planResidue({ ...place, platform }, found, since).map(({ resource }) => resource.type)).toEqual(types)
    }
  })

  it('lets nothing go that was found by its name alone, and nothing that goes by itself', () => {
    const plan = (...found: Resource[]) => planResidue(place, found, since).map(({ canGo }) => canGo)
    expect(plan(thing('volume', { key: 'name' }))).toEqual([false])
    expect(plan(thing('volume', { billable: false }))).toEqual([])
  })

  it('lets a service ID go, which has nothing but a name, if it was made since the cluster was asked for', () => {
    const made = ['2025-12-31T23:59:59Z', '2026-01-01T00:00:01Z', undefined].map((madeAt) =>
      thing('service-id', { key: 'name', ...(madeAt && { madeAt }) }),
    )
    const plan = planResidue({ ...place, platform: 'ibmcloud' }, made, since)
    expect(plan.map(({ canGo }) => canGo)).toEqual([false, true, false])
  })

  it('lets no record go that others may have made under the domain of the cluster', () => {
    const record = (name: string) => thing('dns-record', { key: 'dns', name })
    const names = ['api.demo.example.com', '*.apps.demo.example.com.', 'shop.demo.example.com', 'api.other.example.com']
    expect(planResidue(place, names.map(record), since).map(({ canGo }) => canGo)).toEqual([true, true, false, false])
  })

  it('clears the way of the destroyer on Google Cloud, of what it does not know as its own', () => {
    const rules = [thing('firewall'), thing('firewall', { name: 'k8s-fw-a1' }), thing('firewall', { name: 'of-the-security-team' })] // prettier-ignore
    const infraIds = ['demo-fghij', 'demo-abcde']
    expect(inTheWay({ platform: 'gcp', infraIds }, [...rules, thing('disk')])).toEqual(rules.slice(1))
    expect(inTheWay({ platform: 'aws', infraIds }, rules)).toEqual([])
  })
})

const known: Record<Platform, string[]> = {
  aws: ['dns-record', 'iam-role'],
  azure: ['dns-record'],
  gcp: ['dns-record', 'backend-service', 'address', 'snapshot'],
  ibmcloud: ['dns-record', 'snapshot', 'service-id'],
}

describe('a destroy', () => {
  let removing: Harness
  let showing: Harness
  beforeAll(async () => {
    removing = await openHarness({ hasDoubles: true, environment: { OCPCTL_RESIDUE: 'remove' } })
    showing = await openHarness()
    await Promise.all([removing.startWorker(), showing.startWorker()])
  })
  afterAll(() => Promise.all([removing.close(), showing.close()]))

  const makeLeaving = async (h: Harness, platform: Platform) => {
    const name = `left-${platform}`
    h.setFaults([{ cluster: name, action: 'leave-known' }])
    const { cluster } = await h.requestCluster(name, { platform, profile: `${platform}-standard` })
    await h.reach(cluster.id, 'READY')
    return cluster
  }
  const jobOf = async (h: Harness, id: string) => (await h.call('GET', `/clusters/${id}/jobs?limit=1`)).body.items[0]

  for (const platform of platforms)
    it(`takes away what the installer leaves on ${platform}, each with its word in the trail, and is proved empty`, async () => {
      const cluster = await makeLeaving(removing, platform)
      await removing.destroy(cluster.id)
      await removing.reach(cluster.id, 'DESTROYED')
      const { residue, plan } = await jobOf(removing, cluster.id)
      const types: string[] = residue.map(({ resource }: { resource: Resource }) => resource.type)
      expect(types).toEqual(expect.arrayContaining(known[platform]))
      expect(residue.map(({ outcome }: { outcome: string }) => outcome)).toEqual(types.map(() => 'removed'))
      expect(plan).toMatchObject({ types: { 'dns-record': expect.any(Number) }, left: {} })
      const events = await removing.rows<{ type: string }>(
        `select detail ->> 'type' as type from audit_events where action = 'cluster.remove-residue' and cluster_id = '${cluster.id}' order by position`,
      )
      // On Google Cloud the rules of the cloud provider went before the destroyer began.
      expect(events.map(({ type }) => type)).toEqual([...(platform === 'gcp' ? ['firewall'] : []), ...types])
      const log = (await removing.call('GET', `/clusters/${cluster.id}/emptiness`)).body
      expect(log.looks).toHaveLength(2)
    })

  it('is taken away by the next worker when one is killed in the middle of it', { timeout: 120_000 }, async () => {
    const h = await openHarness({ leaseSeconds: 10, environment: { OCPCTL_RESIDUE: 'remove' } })
    try {
      const begin = () => h.startProcess('work')
      const first = begin()
      const cluster = await makeLeaving(h, 'gcp')
      await h.destroy(cluster.id)
      const removals = () => h.rows(`select from audit_events where action = 'cluster.remove-residue' and detail ->> 'type' <> 'firewall'`) // prettier-ignore
      await eventually(async () => (await removals()).length > 0)
      first.kill('SIGKILL')
      begin()
      await h.reach(cluster.id, 'DESTROYED')
      expect(h.resources().filter((name) => name.startsWith('left-gcp-') && !name.includes('role-binding'))).toEqual([])
      expect(await h.rows(`select from infra_ledger where empty_at is null`)).toEqual([])
    } finally {
      await h.close()
    }
  })

  it('shows it, and takes nothing away, unless the operators want that', async () => {
    const cluster = await makeLeaving(showing, 'aws')
    await showing.destroy(cluster.id)
    await showing.reach(cluster.id, 'DESTROY_FAILED')
    const { residue, plan, reason, message } = await jobOf(showing, cluster.id)
    expect(reason).toBe('ResourcesLeft')
    expect(message).toContain('OCPCTL_RESIDUE=remove')
    expect(residue.map(({ outcome }: { outcome: string }) => outcome)).toEqual(residue.map(() => 'shown'))
    expect(plan.left).toEqual({ 'dns-record': 2, 'iam-role': 1 })
    expect(await showing.rows(`select from audit_events where action = 'cluster.remove-residue'`)).toEqual([])
  })

  it('is told beforehand: what would go, what the installer is known to leave, and what is not ours', async () => {
    const { cluster } = await showing.requestCluster('planned')
    await showing.reach(cluster.id, 'READY')
    const { status, body } = await showing.call('POST', `/clusters/${cluster.id}/destroy?dryRun=true`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      outcome: 'destroy-begins',
      residue: 'show',
      notChecked: [],
      notOurs: { stoodBefore: [], holders: [] },
      knownToStay: knownResidue('aws'),
    })
    expect(body.total).toBe(showing.resources().filter((name) => name.startsWith('planned-')).length)
    expect(Object.values<number>(body.types).reduce((sum, count) => sum + count, 0)).toBe(body.total)
    expect((await showing.call('GET', `/clusters/${cluster.id}`)).body.status).toBe('READY')
  })
})
