// How far the installer came and what it waited for, by the messages with which it begins and ends its stages.

export type Progress = {
  infrastructureBegan: boolean
  /** What the last message of success was about, unless something began or failed after it. */
  success: 'install' | 'uninstall' | 'files' | 'gather' | undefined
  /** Where it was when the log ended, as the end of a sentence. */
  stage: string
  /** What it waited for when the log ended, and since when: the log's own time or a line. */
  waiting: { for: string; since: string } | undefined
}

export const BEFORE = 'before any infrastructure was begun'
export const WHILE_BOOTSTRAP_REMOVED = 'while the bootstrap machine was removed'

type Mark = {
  begins: string
  /** undefined: the stage stays. */
  stage?: string
  waitsFor?: (said: string) => string | undefined
  endsWait?: true
  isInfrastructure?: true
  success?: Progress['success']
}

const waitOf = (said: string): string | undefined =>
  /^Waiting up to \S{1,20} (?:\([^)]{1,40}\) )?(?:for |to )?(.{1,400}?)\.{0,3}$/.exec(said)?.[1]

/** Of a mark that begins another one, the longer stands first. */
const marks: Mark[] = [
  { begins: 'OpenShift Installer ' },
  {
    begins: 'Creating infrastructure resources',
    stage: 'while the infrastructure was made',
    waitsFor: () => 'the infrastructure',
    isInfrastructure: true,
  },
  { begins: 'Network infrastructure is ready', stage: 'between the network and the machines', endsWait: true },
  { begins: 'Control-plane machines are ready', stage: 'after the machines were made', endsWait: true },
  { begins: 'API v', stage: 'after the Kubernetes API had answered', endsWait: true },
  { begins: 'It is now safe to remove the bootstrap', stage: 'after the bootstrap', endsWait: true },
  {
    begins: 'Destroying the bootstrap resources',
    stage: WHILE_BOOTSTRAP_REMOVED,
    waitsFor: () => 'the removal of the bootstrap machine',
    isInfrastructure: true,
  },
  { begins: 'Cluster is initialized', stage: 'after the cluster was initialized', endsWait: true },
  {
    begins: 'All cluster operators have completed progressing',
    stage: 'after the operators were stable',
    endsWait: true,
  },
  {
    begins: 'Install complete!',
    stage: 'after the installation',
    endsWait: true,
    isInfrastructure: true,
    success: 'install',
  },
  { begins: 'Uninstallation complete!', endsWait: true, success: 'uninstall' },
  { begins: 'Manifests created in', endsWait: true, success: 'files' },
  { begins: 'Ignition-Configs created in', endsWait: true, success: 'files' },
  { begins: 'Install-Config created in', endsWait: true, success: 'files' },
  { begins: 'Pulling debug logs from the bootstrap machine', waitsFor: () => 'the logs of the bootstrap machine' },
  { begins: 'Pulling VM console logs', waitsFor: () => 'the console logs of the machines' },
  { begins: 'Bootstrap gather logs captured here', endsWait: true, success: 'gather' },
  { begins: 'Waiting up to ', waitsFor: waitOf, isInfrastructure: true },
]

const waits: [RegExp, string][] = [
  [/for network infrastructure/, 'while the network was made'],
  [/for machines /, 'while the machines were made'],
  [/for the Kubernetes API/, 'while it waited for the Kubernetes API'],
  [/for bootstrapping to complete/, 'while it waited for the bootstrap'],
  [/for the cluster (?:at .{1,300} )?to initialize/, 'while it waited for the cluster to initialize'],
  [/to ensure each cluster operator/, 'while it waited for stable operators'],
]
/** A wait within the infrastructure is no stage of its own: what failed before it may be its cause. */
const WITHIN = /for (?:network infrastructure|machines )/

const FIRST_LETTERS = new Set(marks.map(({ begins }) => begins.charCodeAt(0)))
const TIME = /^(?:\S{1,80}\s)?(?:time="?|\[?)(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)/

export function openProgress() {
  let infrastructureBegan = false
  let stage = BEFORE
  let wait: { for: string; number: number; offset: number } | undefined
  let still: { number: number; offset: number } | undefined

  const progress = {
    success: undefined as Progress['success'],

    isMark: (text: string, at: number): boolean =>
      FIRST_LETTERS.has(text.charCodeAt(at)) && marks.some(({ begins }) => text.startsWith(begins, at)),

    /** Tells whether the message is the start of an installer or of a stage. */
    take(said: string, number: number, offset: number): 'start' | 'stage' | undefined {
      const mark = marks.find(({ begins }) => said.startsWith(begins))
      if (!mark) return undefined
      progress.success = mark.success
      if (mark === marks[0]) return 'start'
      infrastructureBegan ||= mark.isInfrastructure === true
      const waitsFor = mark.waitsFor?.(said)
      if (waitsFor !== undefined) wait = { for: waitsFor, number, offset }
      if (mark.endsWait) wait = undefined
      const stageOfWait = waits.find(([pattern]) => pattern.test(said))?.[1]
      const isStage = mark.stage !== undefined || (stageOfWait !== undefined && !WITHIN.test(said))
      stage = mark.stage ?? stageOfWait ?? stage
      return isStage ? 'stage' : undefined
    },

    takeStill(number: number, offset: number) {
      still = { number, offset }
    },

    restart() {
      infrastructureBegan = false
      stage = BEFORE
      progress.success = wait = still = undefined
    },

    told(log: string): Progress {
      const { success } = progress
      const since = wait ?? still
      if (since === undefined) return { infrastructureBegan, success, stage, waiting: undefined }
      const text = log.slice(since.offset, since.offset + 2000).split('\n', 1)[0] ?? ''
      const time = TIME.exec(text)?.[1]
      const waitsFor = wait?.for ?? /Still waiting for (.{1,200}?)(?::|$)/.exec(text)?.[1]
      const waiting = waitsFor === undefined ? undefined : { for: waitsFor, since: time ?? `line ${since.number}` }
      return { infrastructureBegan, success, stage, waiting }
    },
  }
  return progress
}
