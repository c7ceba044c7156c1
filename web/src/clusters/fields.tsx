import { useId } from 'react'
import type { FieldError } from '../api'
import { Icon } from '../parts/icon'

type FieldProps = {
  label: string
  value: string
  onChange: (value: string) => void
  errors?: FieldError[]
  hint?: string
  type?: 'text' | 'number'
  placeholder?: string
  autoFocus?: boolean
  /** The only values; with isFree, none is known and anything may be typed. */
  options?: string[]
  isFree?: boolean
  suggestions?: string[]
}

/** What is wrong stands at the field, with the nearest value that would be right. */
export function Field({
  label,
  value,
  onChange,
  errors = [],
  hint,
  type = 'text',
  placeholder,
  autoFocus,
  options,
  isFree,
  suggestions,
}: FieldProps) {
  const id = useId()
  const about = errors.length > 0 ? `${id}-wrong` : hint === undefined ? undefined : `${id}-hint`
  const shared = { id, value, 'aria-invalid': errors.length > 0, 'aria-describedby': about }
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {options && !isFree ? (
        <select {...shared} onChange={(event) => onChange(event.target.value)}>
          {placeholder === undefined && options.length === 1 ? null : (
            <option value="">{placeholder ?? 'Choose'}</option>
          )}
          {options
            .filter((option) => option !== placeholder)
            .map((option) => (
              <option key={option}>{option}</option>
            ))}
        </select>
      ) : (
        <input
          {...shared}
          type={type}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => onChange(event.target.value)}
          {...(placeholder === undefined ? {} : { placeholder })}
          {...(autoFocus ? { autoFocus } : {})}
          {...(suggestions ? { list: `${id}-list` } : {})}
        />
      )}
      {suggestions ? (
        <datalist id={`${id}-list`}>
          {suggestions.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </datalist>
      ) : null}
      {errors.length > 0 ? (
        <div className="wrong" id={`${id}-wrong`}>
          {errors.map(({ detail, nearest }) => (
            <p key={detail}>
              {detail}{' '}
              {nearest === undefined ? null : (
                <button type="button" className="chip" onClick={() => onChange(String(nearest))}>
                  Use {nearest}
                </button>
              )}
            </p>
          ))}
        </div>
      ) : hint === undefined ? null : (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

type Tags = [string, string][]

export function TagsField({
  tags,
  onChange,
  errors,
}: {
  tags: Tags
  onChange: (tags: Tags) => void
  errors: FieldError[]
}) {
  const set = (index: number, tag: [string, string]) => onChange(tags.map((each, at) => (at === index ? tag : each)))
  return (
    <fieldset className="field">
      <legend className="label">Tags on its cloud resources</legend>
      {tags.map(([key, value], index) => (
        // oxlint-disable-next-line react/no-array-index-key -- a tag is known by its place while it is typed
        <div key={index} className="row">
          <input aria-label="Tag" value={key} onChange={(event) => set(index, [event.target.value, value])} />
          <input aria-label="Value" value={value} onChange={(event) => set(index, [key, event.target.value])} />
          <button
            type="button"
            className="quiet square"
            aria-label={`Take the tag ${key} away`}
            onClick={() => onChange(tags.filter((_, at) => at !== index))}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
      {errors.map(({ pointer, detail }) => (
        <p key={pointer + detail} className="wrong">
          {pointer.slice('/tags/'.length)} {detail}
        </p>
      ))}
      <div>
        <button type="button" className="chip" onClick={() => onChange([...tags, ['', '']])}>
          <Icon name="plus" /> Add a tag
        </button>
      </div>
    </fieldset>
  )
}
