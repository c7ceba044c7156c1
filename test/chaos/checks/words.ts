/** A moment, as it is told in a breach. */
export const at = (time: number) => new Date(time).toISOString().slice(11, 23)
