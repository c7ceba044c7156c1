// Stores the asset directory while an install runs: at each stage, one snapshot at a time.
import { markBootstrapped } from '../clusters/ledger.ts'
import { messageOf } from '../errors.ts'
import type { Stage } from '../installer/stages.ts'
import type { Operation } from './operation.ts'

export type StateKeeper = {
  onStage: (stage: Stage) => void
  /** Whether the install went past its bootstrap, so that it can be finished in another process. */
  isBootstrapped: () => boolean
  /** Tries once to store the directory as it is now, whether that succeeds or not. */
  storeOnce: () => Promise<void>
  /** Begins no further snapshot. */
  stop: () => Promise<void>
}

export function openStateKeeper(operation: Operation, dir: string, infraId: string): StateKeeper {
  let bootstrapped = false
  // When several stages pass while one snapshot is stored, only the newest stage is worth another.
  let waiting: Stage | undefined
  let storing = Promise.resolve()
  const storeNewest = async () => {
    const stage = waiting
    // The value from when the snapshot began: whoever adopts the install must find a directory from after the
    // bootstrap.
    const isPastBootstrap = bootstrapped
    waiting = undefined
    if (!stage) return
    try {
      await operation.snapshot(dir, stage, infraId)
      operation.reached('create:infrastructure-begun')
      if (!isPastBootstrap) return
      await operation.fenced((tx) => markBootstrapped(tx, infraId))
      operation.reached('create:bootstrapped')
    } catch (error) {
      operation.log('warning', `the state at ${stage} was not stored: ${messageOf(error)}`)
    }
  }
  const onStage = (stage: Stage) => {
    // At this stage the bootstrap's own resources are gone. Nothing else would remove them.
    bootstrapped ||= stage === 'initialize'
    waiting = stage
    storing = storing.then(storeNewest)
  }
  return {
    onStage,
    isBootstrapped: () => bootstrapped,
    storeOnce() {
      onStage('infrastructure')
      return storing
    },
    stop() {
      waiting = undefined
      return storing
    },
  }
}
