// Why an installer run failed, from its exit code.
export type Diagnosis = { reason: string; remedy: string; retry: { worthwhile: boolean; delaySeconds: number } }

export function diagnose(run: { exitCode: number; log: string }): Diagnosis {
  if (run.exitCode === 3)
    return {
      reason: 'InvalidInstallConfig',
      remedy: 'correct the profile or the request',
      retry: { worthwhile: false, delaySeconds: 0 },
    }
  return {
    reason: 'UnknownError',
    remedy: 'read the log of the attempt',
    retry: { worthwhile: true, delaySeconds: 30 },
  }
}
