// What needs no database.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { diagnose } from '../../src/diagnosis/diagnosis.ts'
import { lintInstallConfig } from '../../src/install-config/lint.ts'
import { decide } from '../../src/policy/policy.ts'
import { loadCatalog, profileNamed } from '../../src/profiles/catalog.ts'
import { readInstallerYaml } from '../../src/profiles/yaml-file.ts'
import { ROOT } from '../harness.ts'
import { rateOf, type Ground } from './ground.ts'
import type { Report } from './report.ts'

export async function measurePure(ground: Ground, report: Report): Promise<void> {
  const profile = profileNamed(loadCatalog(join(ROOT, 'profiles')), 'aws-standard')
  const usage = { clusters: 1, vcpu: 24, installs: 1, usdThisMonth: 100, profileUsdThisMonth: 0 }
  const holdings = { team: 't', quota: { clusters: 10, usdPerMonth: 1000 }, usage, now: new Date() }
  const request = { name: 'x', platform: 'aws', profile: 'aws-standard', tags: { a: 'b' } } as const
  const decisions = await rateOf(async () => void decide(request, profile, holdings), 1, 20_000)
  report.figure('a policy decision', 1000 / decisions.perSecond, 'ms')

  const sample = readFileSync(join(ROOT, 'test/fixtures/install-configs/azure-customized.yaml'), 'utf8')
  // Without a version, it is held against every release.
  const lints = await rateOf(async () => void lintInstallConfig(readInstallerYaml('x', sample).value), 1, 1000)
  report.figure('lint an install-config, goal <= 5', 1000 / lints.perSecond, 'ms')

  const thousand = join(ground.dir, 'thousand-profiles')
  mkdirSync(thousand)
  const standard = readFileSync(join(ROOT, 'profiles/aws-standard.yaml'), 'utf8')
  for (let index = 0; index < 1000; index++)
    writeFileSync(join(thousand, `p${index}.yaml`), standard.replace('name: aws-standard', `name: p${index}`))
  const loadedAt = performance.now()
  if (loadCatalog(thousand).list().length !== 1000) throw new Error('not all profiles were read')
  report.figure('load 1 000 profiles', performance.now() - loadedAt, 'ms')

  const line =
    'time="2026-01-01T00:00:00Z" level=debug msg="Still waiting for the cluster to initialize: Working towards 4.20.3: 640 of 901 done (71% complete)"\n'
  const log = line.repeat(100_000) + 'time="2026-01-01T00:00:00Z" level=error msg="VcpuLimitExceeded: limit of 32"\n'
  const startedAt = performance.now()
  if (diagnose({ log, exitCode: 4 }).reason !== 'VcpuLimitExceeded') throw new Error('the diagnosis is wrong')
  report.figure('diagnose a log of 14 MB', performance.now() - startedAt, 'ms')
}
