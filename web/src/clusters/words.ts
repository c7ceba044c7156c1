// A number in words, to be typed by whoever means it. Below a million.
const SMALL = 'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' ') // prettier-ignore
const TENS = 'zero ten twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')

export function inWords(number: number): string {
  if (number < 20) return SMALL[number] ?? ''
  if (number < 100) {
    const rest = number % 10
    return `${TENS[Math.floor(number / 10)]}${rest === 0 ? '' : `-${SMALL[rest]}`}`
  }
  const [unit, name] = number < 1000 ? [100, 'hundred'] : [1000, 'thousand']
  const rest = number % unit
  return `${inWords(Math.floor(number / unit))} ${name}${rest === 0 ? '' : ` ${inWords(rest)}`}`
}
