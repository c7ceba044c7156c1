// Which reasons a text may speak of, by the words that their patterns need. Only those are asked.
import { causes } from './catalog.ts'
import type { Reason } from './entry.ts'
import { unknownField } from './everywhere.ts'
import { generalReasons } from './general.ts'
import { symptoms } from './symptoms.ts'
import { openFinder, wordsOf } from './words.ts'

/** A hit is the number of a reason here. */
export const tellingReasons: readonly Reason[] = [...causes, ...generalReasons, ...symptoms, unknownField]

const finder = openFinder(tellingReasons.map(({ patterns }) => [...new Set(patterns.flatMap(wordsOf))]))

/** The reasons whose words stand in this part of the text. undefined: none. */
export const hitsIn = (text: string, from = 0, to = text.length): number[] | undefined => finder.find(text, from, to)
