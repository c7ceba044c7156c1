import { useFilters } from './address'

/** A choice that lives in the address. */
export function FilterSelect({
  name,
  label,
  any,
  options,
}: {
  name: string
  label: string
  any: string
  options: readonly string[]
}) {
  const [params, change] = useFilters()
  return (
    <select
      aria-label={label}
      value={params.get(name) ?? ''}
      onChange={(event) => change({ [name]: event.target.value })}
    >
      <option value="">{any}</option>
      {options.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  )
}

export function Tabs({ label, tabs, fallback }: { label: string; tabs: Record<string, string>; fallback: string }) {
  const [params, change] = useFilters()
  const chosen = params.get('tab') ?? fallback
  return (
    <div className="tabs views" role="group" aria-label={label}>
      {Object.entries(tabs).map(([name, shown]) => (
        <button
          key={name}
          type="button"
          aria-pressed={name === chosen}
          onClick={() => change({ tab: name === fallback ? undefined : name })}
        >
          {shown}
        </button>
      ))}
    </div>
  )
}
