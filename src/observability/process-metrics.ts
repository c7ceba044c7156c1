// What a process knows of itself.
import { readdirSync, readFileSync } from 'node:fs'
import { version } from '../version.ts'
import type { Reading, Readings } from './metrics.ts'

const one = (value: number): Reading[] => [{ labels: {}, value }]

/** Returns what reads them. */
export function openProcessReadings(): () => Readings {
  const limit = onLinux(() => /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  return () => {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    const files = onLinux(() => readdirSync('/proc/self/fd').length)
    return {
      ocpctl_build_info: [{ labels: { version, node: process.versions.node }, value: 1 }],
      process_cpu_seconds_total: one((user + system) / 1e6),
      process_start_time_seconds: one(performance.timeOrigin / 1000),
      process_resident_memory_bytes: one(rss),
      process_open_fds: files === undefined ? [] : one(files),
      process_max_fds: limit === undefined ? [] : one(Number(limit)),
      nodejs_heap_used_bytes: one(heapUsed),
      nodejs_heap_size_bytes: one(heapTotal),
      nodejs_external_memory_bytes: one(external),
      nodejs_eventloop_busy_seconds_total: one(performance.eventLoopUtilization().active / 1000),
    }
  }
}

function onLinux<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // There is no /proc.
  }
}
