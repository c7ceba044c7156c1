// The tags and labels that every resource of a cluster gets. Pure.
import type { Platform } from '../vocabulary.ts'
import { blockOf, listOf, textOf, type Block, type Path, type Report } from './finding.ts'
import { isTagRefused, tagBudget, tagIdentity, tagProblem } from './tags.ts'

export function lintTags(settings: Block, platform: Platform, report: Report): void {
  const key = platform === 'gcp' ? 'userLabels' : 'userTags'
  const path = ['platform', platform, key]
  const pairs: [string, unknown, Path][] =
    platform === 'gcp'
      ? listOf(settings[key]).map((entry, index) => {
          const label = blockOf(entry)
          return [textOf(label['key']) ?? '', label['value'], [...path, index]]
        })
      : Object.entries(blockOf(settings[key])).map(([name, value]) => [name, value, [...path, name]])
  if (pairs.length > tagBudget[platform])
    report('error', 'tag-count', path, `${pairs.length} are too many; ${platform} has room for ${tagBudget[platform]}`)
  const seen = new Set<string>()
  for (const [name, value, at] of pairs) {
    const text = textOf(value) ?? ''
    const identity = tagIdentity(platform, name)
    const problem = tagProblem(platform, name, text)
    if (isTagRefused(platform, name, text)) report('error', 'tag', at, problem ?? 'is refused')
    // Azure's is the only installer that looks for it.
    else if (seen.has(identity) && platform === 'azure') report('error', 'tag', at, `the key "${name}" is there twice`)
    else if (seen.has(identity)) report('warning', 'tag', at, `the key "${name}" is there twice`, 'ours')
    else if (problem) report('warning', 'tag', at, `the cloud may refuse it: ${problem}`, 'ours')
    seen.add(identity)
  }
}
