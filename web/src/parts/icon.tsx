// Line icons on a grid of 16. They only decorate: what they mean stands beside them, or in a label.
const paths = {
  clusters: 'M8 1.8 13.4 4.9v6.2L8 14.2 2.6 11.1V4.9ZM8 1.8v6.2M2.6 4.9 8 8l5.4-3.1M8 8v6.2',
  jobs: 'M3 3.5h10M3 8h10M3 12.5h6M12 11l1.5 1.5L12 14',
  findings: 'M8 2 14.5 13.5h-13ZM8 6.5v3.2M8 11.6v.1',
  usage: 'M2.5 13.5h11M4 11V7.5M8 11V3M12 11V5.5',
  profiles: 'M2.5 4.5 8 2l5.5 2.5L8 7ZM2.5 8 8 10.5 13.5 8M2.5 11.5 8 14l5.5-2.5',
  audit: 'M3.5 2h9v12h-9ZM6 5.5h4M6 8h4M6 10.5h2',
  access: 'M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8ZM2.8 14c.4-2.8 2.5-4.2 5.2-4.2s4.8 1.4 5.2 4.2',
  tokens: 'M9.8 9.2a3.6 3.6 0 1 0-3-3l-4.3 4.3v3h3v-1.6h1.6v-1.6ZM11 5.1v.1',
  more: 'M3.5 7.9v.2M8 7.9v.2M12.5 7.9v.2',
  plus: 'M8 3v10M3 8h10',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5 14 14',
  menu: 'M2 4h12M2 8h12M2 12h12',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8Z',
  download: 'M8 2v8M4.8 7.2 8 10.4l3.2-3.2M2.5 13.5h11',
  check: 'M3 8.5l3.2 3.2L13 4.8',
  external: 'M9.5 2.5h4v4M13.5 2.5 8 8M11.5 9.5v4h-9v-9h4',
  shield: 'M8 1.8 13 3.6v4c0 3.2-2 5.4-5 6.6-3-1.2-5-3.4-5-6.6v-4Z',
  arrow: 'M3 8h10M9.5 4.5 13 8l-3.5 3.5',
} as const

export type IconName = keyof typeof paths

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
