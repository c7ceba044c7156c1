// Stores the asset directory while an install runs: at each stage, one snapshot at a time.
import { markBootstrapped } from '../clusters/ledger.ts'
import { messageOf } from '../errors.ts'
import type { Stage } from '../installer/stages.ts'
import type { Operation } from './operation.ts'

export type StateKeeper = {
  onStage: (stage: Stage) => void
  /** Whether the install went past its bootstrap, so that it can be finished in another process. */
  isBootstrapped: () => boolean
  /** Once, as it is now, whether that succeeds or not. */
  storeOnce: () => Promise<void>
  /** Begins no other. */
  stop: () => Promise<void>
}

export function openStateKeeper(operation: Operation, dir: string, infraId: string): StateKeeper {
  let bootstrapped = false
  // Of the stages that pass while one is stored only the newest is worth another.
  let waiting: Stage | undefined
  let storing = Promise.resolve()
  const storeNewest = async () => {
    const stage = waiting
    // As it was when the snapshot began: whoever adopts the install must find a directory from after the bootstrap.
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
    // The stage after the bootstrap's own resources are gone: nothing else would remove them.
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
