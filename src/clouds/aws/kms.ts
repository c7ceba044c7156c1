// Keys that carry an owner's tag. A deleted key waits for a week at least, without a price.
import { timeOf, type Seen } from '../asking.ts'
import { unlessMissing } from './answers.ts'
import { onePage, type Search, type Session } from './session.ts'

const DELETED = ['PendingDeletion', 'PendingReplicaDeletion']

export function keySearch({ sdk: { kms }, clients, ask, stop, query }: Session): Search {
  return {
    knows: ({ service, type, region }) => service === 'kms' && type === 'key' && region === query.region,
    async run(candidates) {
      const found: Seen[] = []
      for (const { text } of candidates) {
        const asked = new kms.DescribeKeyCommand({ KeyId: text })
        const keys = await ask(
          'kms:DescribeKey',
          onePage(() => clients.kms.send(asked, stop)),
          ({ KeyMetadata }) => KeyMetadata && [KeyMetadata],
        ).catch(unlessMissing)
        for (const { KeyId = text, KeyState = '', CreationDate } of keys)
          found.push({
            id: KeyId,
            type: 'kms-key',
            name: KeyId,
            region: query.region,
            key: 'tag',
            ...timeOf(CreationDate),
            ...(DELETED.includes(KeyState) ? { billable: false } : {}),
          })
      }
      return found
    },
  }
}
