// Which keys came lately: whether Postgres must look for those of a batch before it inserts them, which costs it as
// much as inserting. It decides nothing but the price: Postgres alone knows which keys there are.
import { rememberKnown } from '../config/bounded.ts'
import type { Row } from './append.ts'

export interface SeenKeys {
  /** Whether some of the rows' keys are likely to be there when these are stored. From now on all of them are. */
  expect: (rows: readonly Pick<Row, 'site' | 'digest' | 'claim'>[]) => boolean
  /** Some were there, though none was expected: they came by another process, or long ago. */
  onSurprise: () => void
}

/** A browser's event and its copy from a server come within minutes. */
const rememberedKeys = 50_000
/** A batch that is a surprise is stored twice, and its first try is rubbish that Postgres has to remove. */
const carefulBatches = 16

/** Of one process; shared by its lanes. */
export function rememberKeys (most = rememberedKeys): SeenKeys {
  const seen = rememberKnown(most)
  let careful = 0
  return {
    expect (rows) {
      let isKnown = careful > 0
      careful = Math.max(0, careful - 1)
      for (const { site, digest, claim } of rows) {
        for (const key of claim === null ? [digest] : [digest, claim]) {
          const name = `${site} ${key.toString('latin1')}`
          if (seen.has(name)) isKnown = true
          else seen.add(name)
        }
      }
      return isKnown
    },
    onSurprise () { careful = carefulBatches }
  }
}
