import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useLocation } from 'wouter'
import { newKey, Problem } from '../api'
import { count, usd } from '../money'
import { effects, previewOf, submitOperation, titleOf, type Preview, type Target, type Verb } from '../operations'
import { Ask, Refusal } from '../parts/dialog'
import { wordOf } from '../parts/pill'
import { inWords } from './words'

const ASK_IN_WORDS_ABOVE = 5
const TYPING_MS = 300

export default function BulkDialog({ verb, target, onClose }: { verb: Verb; target: Target; onClose: () => void }) {
  const [, go] = useLocation()
  const [hours, setHours] = useState('24')
  const settled = useSettled(hours)
  const [typed, setTyped] = useState('')
  const [key, setKey] = useState(newKey)
  const body = { verb, ...target, ...(verb === 'extend' ? { hours: Number(settled) } : {}) }
  const preview = useQuery({
    queryKey: ['operation preview', body],
    queryFn: () => previewOf(body),
    enabled: verb !== 'extend' || Number(settled) >= 0.25,
    placeholderData: (before) => before,
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
  const shown = preview.data
  const able = shown?.allowed ?? 0
  const words = inWords(able)
  const mustType = verb === 'destroy' && able > ASK_IN_WORDS_ABOVE
  const isFresh = shown !== undefined && !preview.isFetching && !preview.error && settled === hours
  const wish = useMutation({
    mutationFn: () => submitOperation({ ...body, expected: shown?.matched ?? 0 }, key),
    onSuccess: ({ id }) => {
      onClose()
      go(`/operations/${id}`)
    },
    onError: (error) => {
      if (!(error instanceof Problem && error.status >= 400 && error.status < 500)) return
      setKey(newKey())
      void preview.refetch()
    },
  })
  const title = titleOf(verb, shown?.allowed)
  return (
    <Ask
      title={title}
      submit={title}
      danger={verb === 'destroy'}
      onClose={onClose}
      onSubmit={() => wish.mutate()}
      isBusy={wish.isPending}
      isReady={isFresh && able > 0 && (!mustType || typed.trim().toLowerCase() === words)}
      error={wish.error}
    >
      {preview.error ? <Refusal error={preview.error} /> : null}
      {verb === 'extend' ? (
        <div className="field">
          <label htmlFor="bulk-hours">Hours from now</label>
          <input
            id="bulk-hours"
            type="number"
            min={0.25}
            max={8760}
            step="any"
            required
            value={hours}
            onChange={(event) => setHours(event.target.value)}
          />
        </div>
      ) : null}
      {shown ? <Shown verb={verb} preview={shown} /> : <p role="status">Looking at what it comes to…</p>}
      {mustType ? (
        <div className="field">
          <label htmlFor="bulk-words">
            Type <b>{words}</b> to go on
          </label>
          <input id="bulk-words" autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />
        </div>
      ) : null}
    </Ask>
  )
}

function Shown({ verb, preview }: { verb: Verb; preview: Preview }) {
  const { usdPerHour, usdAdded } = preview
  return (
    <>
      <p>
        {verb === 'destroy' ? 'All that is in them is lost. ' : null}
        {verb === 'extend'
          ? `This costs ${usd(Math.abs(usdAdded))} ${usdAdded < 0 ? 'less' : 'more'}.`
          : `Together they cost ${usd(usdPerHour)} an hour.`}
      </p>
      {preview.effects.map(({ effect, count: number, samples }) => (
        <div key={effect}>
          <p>
            <b>{count(number)}</b> {effects[effect]}:
          </p>
          <p className="names">
            {listed(
              samples.map(({ name }) => name),
              number,
            )}
          </p>
        </div>
      ))}
      {preview.refusals.map(({ code, count: number, samples }) => (
        <div key={code}>
          <p>
            <b>{count(number)}</b> left as they are ({wordOf(code).toLowerCase()}):
          </p>
          <ul className="plain">
            {samples.map(({ clusterId, name, detail }) => (
              <li key={clusterId}>
                <b>{name}</b>: {detail}
              </li>
            ))}
            {number > samples.length ? <li>and {count(number - samples.length)} more</li> : null}
          </ul>
        </div>
      ))}
    </>
  )
}

const listed = (names: string[], all: number) =>
  names.join(', ') + (all > names.length ? ` and ${count(all - names.length)} more` : '')

/** The text when nobody has typed for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text])
  return settled
}
