// Light, dark, or as the system has it. It is a wish of this browser alone.
import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'
const THEMES: Theme[] = ['system', 'light', 'dark']
const KEY = 'ocpctl-theme'
const watchers = new Set<() => void>()

const read = (): Theme => THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system'
const apply = () => (document.documentElement.dataset['theme'] = read())
apply()

export function setTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme)
  apply()
  for (const heard of watchers) heard()
}

export const nextTheme = (theme: Theme): Theme => THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system'

export const useTheme = (): Theme =>
  useSyncExternalStore((heard) => {
    watchers.add(heard)
    return () => watchers.delete(heard)
  }, read)
