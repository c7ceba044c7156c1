// Dismisses most lines of a log without a regular expression: the words that the patterns need are looked for all at
// once, in one walk that leaps over most characters.

const SHORTEST = 6
/** A word ends here, since the same text stands with and without quotes and escapes in a log. */
const BREAKS = /["\\\n\t]/

/** Words in lower case of which any text that matches contains one. Throws where no word can be told. */
export function wordsOf(pattern: RegExp): string[] {
  const { words } = readChoices(pattern.source, 0)
  if (!words) throw new Error(`${pattern} needs a word of ${SHORTEST} letters that is always there`)
  return words
}

type Read = { words: string[] | undefined; end: number }

/** Reads up to the end of the group or of the source. One choice without a word makes the whole without one. */
function readChoices(source: string, from: number): Read {
  const found: (string[] | undefined)[] = []
  let end = from
  do {
    const one = readSequence(source, end === from ? end : end + 1)
    found.push(one.words)
    end = one.end
  } while (source[end] === '|')
  const words = found.every((each) => each !== undefined) ? found.flat() : undefined
  return { words, end }
}

function readSequence(source: string, from: number): Read {
  let best: string[] | undefined
  let run = ''
  let at = from
  const offer = (words: string[] | undefined) => {
    if (words && (!best || shortest(words) > shortest(best))) best = words
  }
  const endRun = () => {
    if (run.length >= SHORTEST) offer([run])
    run = ''
  }
  while (at < source.length && source[at] !== '|' && source[at] !== ')') {
    let letter: string | undefined
    let inner: string[] | undefined
    let isMark = false
    if (source[at] === '(') {
      const isLook = /^\(\?<?[=!]/.test(source.slice(at, at + 4))
      const group = readChoices(source, at + (/^\(\?<?[=!:]/.exec(source.slice(at, at + 4))?.[0].length ?? 1))
      if (!isLook) inner = group.words
      isMark = isLook
      at = group.end + 1
    } else if (source[at] === '[') {
      at++
      while (source[at] !== ']') at += source[at] === '\\' ? 2 : 1
      at++
    } else if (source[at] === '\\') {
      const escaped = source[at + 1] ?? ''
      isMark = /[bB]/.test(escaped)
      if (!/[a-zA-Z0-9]/.test(escaped)) letter = escaped
      at += 2
    } else {
      const plain = source[at] ?? ''
      isMark = /[$^]/.test(plain)
      if (!/[.$^]/.test(plain)) letter = plain
      at++
    }
    const quantifier = /^(?:[?*+]|\{\d+(?:,\d*)?\})\??/.exec(source.slice(at, at + 12))?.[0] ?? ''
    at += quantifier.length
    if (isMark) continue
    const isOptional = /^(?:[?*]|\{0)/.test(quantifier)
    if (letter === undefined || isOptional || BREAKS.test(letter)) endRun()
    else run += letter.toLowerCase()
    if (quantifier !== '') endRun()
    if (!isOptional) offer(inner)
  }
  endRun()
  return { words: best, end: at }
}

const shortest = (words: string[]): number => Math.min(...words.map(({ length }) => length))

export type Finder = {
  /** The numbers of the lists of which a word stands in this part of the text, each once. undefined: none. */
  find: (text: string, from: number, to: number) => number[] | undefined
}

type Word = { text: string; lists: number[] }

const BLOCK = 3
/** Upper and lower case are the same here, and so are some other characters: a word is compared before it counts. */
const blockAt = (text: string, last: number): number =>
  ((text.charCodeAt(last - 2) & 31) << 10) | ((text.charCodeAt(last - 1) & 31) << 5) | (text.charCodeAt(last) & 31)

/** Where three characters stand in no word, the walk leaps over as many as the shortest word allows (Wu and Manber). */
export function openFinder(lists: string[][]): Finder {
  const words = new Map<string, Word>()
  lists.forEach((texts, list) => {
    for (const text of new Set(texts)) {
      const word = words.get(text) ?? { text, lists: [] }
      word.lists.push(list)
      words.set(text, word)
    }
  })
  const leaps = new Uint8Array(1 << 15).fill(SHORTEST - BLOCK + 1)
  const ending: (Word[] | undefined)[] = []
  for (const word of words.values())
    for (let last = BLOCK - 1; last < SHORTEST; last++) {
      const block = blockAt(word.text, last)
      leaps[block] = Math.min(leaps[block] ?? 0, SHORTEST - 1 - last)
      if (last === SHORTEST - 1) (ending[block] ??= []).push(word)
    }
  const seen = new Uint32Array(lists.length)
  let search = 0

  return {
    find(text, from, to) {
      let found: number[] | undefined
      search++
      for (
        let last = nextEnd(text, from + SHORTEST - 1, to, leaps);
        last < to;
        last = nextEnd(text, last + 1, to, leaps)
      )
        for (const word of ending[blockAt(text, last)] ?? [])
          if (startsWith(text, last - SHORTEST + 1, to, word.text))
            for (const list of word.lists)
              if (seen[list] !== search) {
                seen[list] = search
                ;(found ??= []).push(list)
              }
      return found
    },
  }
}

/** Where the first characters of some word may end. */
function nextEnd(text: string, from: number, to: number, leaps: Uint8Array): number {
  let last = from
  while (last < to) {
    const leap = leaps[blockAt(text, last)]
    if (!leap) return last
    last += leap
  }
  return to
}

/** The word is in lower case, the text in any. */
function startsWith(text: string, start: number, to: number, word: string): boolean {
  if (start + word.length > to) return false
  // The first characters fit, or nearly, so the last ones tell them apart sooner.
  for (let at = word.length - 1; at >= 0; at--) {
    const code = text.charCodeAt(start + at)
    const lower = code >= 65 && code <= 90 ? code + 32 : code
    if (lower !== word.charCodeAt(at)) return false
  }
  return true
}
