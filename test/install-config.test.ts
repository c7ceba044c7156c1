// No string of a request, however hostile, adds a key to install-config.yaml or changes a type.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { effectiveTags } from '../src/policy/policy.ts'
import { loadCatalog, profileNamed } from '../src/profiles/catalog.ts'
import { buildInstallConfig, renderInstallConfig } from '../src/profiles/install-config.ts'
import { parseProfile } from '../src/profiles/profile.ts'
import { readFileSync } from 'node:fs'

const catalog = loadCatalog('profiles')

describe('install-config.yaml', () => {
  it('parses back to what was built, whatever the strings are', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'yes',
        'no',
        '1.0',
        '0x10',
        'null',
        '~',
        '&a',
        '*a',
        '!!int 1',
        "'",
        '"',
        'a: b',
        '- a',
        '# c',
        '{',
        '\n\nx: y',
        ' ',
        '😀',
        '\u0000',
        '\u2028',
        '2026-11-24',
        '<<',
      ),
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...catalog.list()),
        hostile,
        hostile,
        fc.dictionary(hostile, hostile, { maxKeys: 5 }),
        (profile, sshPublicKey, pullSecret, tags) => {
          const input = {
            name: 'demo',
            baseDomain: 'example.com',
            region: 'r',
            profile,
            tags,
            sshPublicKey,
            pullSecret,
          }
          const text = renderInstallConfig(input)
          expect(parse(text)).toEqual(JSON.parse(JSON.stringify(buildInstallConfig(input))))
          expect(renderInstallConfig(input)).toBe(text)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('carries the owner tags, which no request can replace', () => {
    const profile = profileNamed(catalog, 'aws-standard')
    const cluster = { id: 'clu_1', name: 'demo', owner: 'o', team: 't', costCenter: null, destroyAt: new Date(0) }
    const tags = effectiveTags(
      { tags: { 'ocpctl-owner': 'somebody', environment: 'prod', mine: 'yes' }, profile },
      cluster,
    )
    expect(tags).toMatchObject({ 'ocpctl-owner': 'o', environment: 'test', mine: 'yes', 'ocpctl-cluster-id': 'clu_1' })
  })
})

describe('a profile', () => {
  const good = readFileSync('profiles/aws-standard.yaml', 'utf8')

  it('of those that are shipped is valid', () => {
    expect(catalog.list().map((profile) => profile.name)).toEqual([
      'aws-minimal-test',
      'aws-standard',
      'ibmcloud-minimal-test',
      'ibmcloud-standard',
    ])
  })

  it.each([
    [
      'an unknown key',
      good.replace('displayName:', 'colour: red\ndisplayName:'),
      2,
      '/colour',
      '"colour" is not a key of a profile here',
    ],
    [
      'an unknown key inside',
      good.replace('  min: 2', '  min: 2\n  mix: 3'),
      21,
      '/workers/mix',
      '"mix" is not a key of a profile here',
    ],
    [
      'a default that is not allowed',
      good.replace('default: us-east-1', 'default: mars-1'),
      11,
      '/regions/default',
      'must be one of the allowed values',
    ],
    [
      'two control plane nodes',
      good.replace('replicas: 3', 'replicas: 2'),
      16,
      '/controlPlane/replicas',
      'must be 1, 3 or 5',
    ],
    ['too few workers', good.replace('min: 2', 'min: 4'), 19, '/workers/replicas', 'must lie between min and max'],
    [
      'a default TTL above the longest',
      good.replace('maxTtlHours: 168', 'maxTtlHours: 2'),
      24,
      '/lifecycle/defaultTtlHours',
      'must not be above maxTtlHours',
    ],
    [
      'a credentials mode that the platform lacks',
      good.replace('platform: aws', 'platform: ibmcloud'),
      5,
      '/credentialsMode',
      'must be one of Manual on ibmcloud',
    ],
    ['broken YAML', `${good}\n\tx`, 0, '', ''],
  ])('with %s is told file, line and place', (_, text, line, path, detail) => {
    const { problems } = parseProfile('p.yaml', text)
    expect(problems.length).toBeGreaterThan(0)
    if (detail) expect(problems).toEqual([{ file: 'p.yaml', line, path, detail }])
  })
})
