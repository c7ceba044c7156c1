// A state. Its mark has a shape of its own, so that the color is not all that tells it apart.
import type { ReactNode } from 'react'

type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'off'

const tones: Record<string, Tone> = {
  READY: 'ok',
  SUCCEEDED: 'ok',
  DELIVERED: 'ok',
  DONE: 'ok',
  ALIVE: 'ok',
  PENDING: 'busy',
  CREATING: 'busy',
  SCALING: 'busy',
  HIBERNATING: 'busy',
  RESUMING: 'busy',
  RUNNING: 'busy',
  DESTROYING: 'busy',
  RETRYING: 'warn',
  INTERRUPTED: 'warn',
  LOST: 'warn',
  REFUSED: 'warn',
  GONE: 'warn',
  FAILED: 'bad',
  DESTROY_FAILED: 'bad',
}
const words: Record<string, string> = { DESTROY_FAILED: 'Destroy failed' }

export const wordOf = (state: string): string =>
  words[state] ?? state.charAt(0) + state.slice(1).toLowerCase().replaceAll('_', ' ')

export function Pill({ state, children }: { state: string; children?: ReactNode }) {
  return (
    <span className="pill" data-tone={tones[state] ?? 'off'}>
      <i aria-hidden="true" />
      {wordOf(state)}
      {children}
    </span>
  )
}

export function Progress({ percent, label }: { percent: number; label: string }) {
  return <progress className="progress" max={100} value={percent} aria-label={label} />
}
