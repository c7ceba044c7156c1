// The stages of an installation, by the installer's own words.

export type Mark = { stage: string; seq: number; at: string }

const WORDS: [RegExp, string][] = [
  [/^Creating infrastructure resources\.\.\./, 'infrastructure'],
  [/^Waiting up to .* for the Kubernetes API at /, 'api'],
  [/^Waiting up to .* for bootstrapping to complete/, 'bootstrap'],
  [/^Destroying the bootstrap resources/, 'bootstrap-destroy'],
  [/^Waiting up to .* for the cluster at .* to initialize/, 'initialize'],
  [/^Waiting up to .* to ensure each cluster operator has finished progressing/, 'stability'],
  [/^Install complete!/, 'complete'],
]

/** Most lines begin with none of these letters, and there may be a million. */
export const stageIn = (message: string): string | undefined =>
  /^[CDWI]/.test(message) ? WORDS.find(([words]) => words.test(message))?.[1] : undefined

/** From each mark to the next one. The last goes on until `end`. */
export function durationsOf(marks: readonly Mark[], end: number | undefined): Map<string, number> {
  return new Map(
    marks.flatMap(({ stage, at }, index): [string, number][] => {
      const until = marks[index + 1] ? Date.parse(marks[index + 1]?.at ?? '') : end
      return until === undefined || stage === 'complete' ? [] : [[stage, Math.max(0, until - Date.parse(at))]]
    }),
  )
}
