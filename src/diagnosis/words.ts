// Dismisses most lines of a log without a regular expression: the words that the patterns need are looked for all at
// once, in one walk over the characters (the automaton of Aho and Corasick).

const SHORTEST = 4
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

const WIDTH = 64

/** The letters of the words are told apart; any other character is one and the same. Upper case is as lower case. */
export function openFinder(lists: string[][]): Finder {
  const letters = [...new Set(lists.flat().join(''))]
  if (letters.length >= WIDTH) throw new Error(`the words have ${letters.length} different letters`)
  const classes = new Uint8Array(65_536)
  letters.forEach((letter, index) => {
    classes[letter.charCodeAt(0)] = index + 1
    classes[letter.toUpperCase().charCodeAt(0)] = index + 1
  })
  const size = 1 + lists.flat().reduce((sum, { length }) => sum + length, 0)
  const next = new Uint16Array(size * WIDTH)
  const outputs: (number[] | undefined)[] = []
  let states = 1
  lists.forEach((words, list) => {
    for (const word of words) {
      let state = 0
      for (const letter of word) {
        const edge = state * WIDTH + (classes[letter.charCodeAt(0)] ?? 0)
        if (!next[edge]) next[edge] = states++
        state = next[edge] ?? 0
      }
      outputs[state] = [...(outputs[state] ?? []), list]
    }
  })
  followSuffixes(next, outputs, states)
  const hasOutput = Uint8Array.from({ length: states }, (_, state) => (outputs[state] ? 1 : 0))
  const seen = new Uint32Array(lists.length)
  let search = 0

  return {
    find(text, from, to) {
      let found: number[] | undefined
      let state = 0
      search++
      for (let at = from; at < to; at++) {
        state = next[state * WIDTH + (classes[text.charCodeAt(at)] ?? 0)] ?? 0
        if (hasOutput[state] !== 1) continue
        for (const list of outputs[state] ?? [])
          if (seen[list] !== search) {
            seen[list] = search
            ;(found ??= []).push(list)
          }
      }
      return found
    },
  }
}

/** Where a word breaks off, the search goes on in the longest word that the end of what was read begins. */
function followSuffixes(next: Uint16Array, outputs: (number[] | undefined)[], states: number): void {
  const suffix = new Uint16Array(states)
  const queue = [0]
  for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
    const fallback = suffix[state] ?? 0
    for (let letter = 1; letter < WIDTH; letter++) {
      const edge = state * WIDTH + letter
      const target = next[edge] ?? 0
      const other = state === 0 ? 0 : (next[fallback * WIDTH + letter] ?? 0)
      if (target === 0) {
        next[edge] = other
        continue
      }
      suffix[target] = other
      if (outputs[other]) outputs[target] = [...(outputs[target] ?? []), ...outputs[other]]
      queue.push(target)
    }
  }
}
