// Makes sure that a process holds the secret under which the database's personal data was sealed.
import { KeyError, type Keys } from './keys.ts'
import { withTransaction, type Pool } from './postgres.ts'

/** `lost`: keys whose data the process can no longer open, because their secrets left the ring. */
export type KeyCheck = { ok: true, lost: string[] } | { ok: false, problem: string }

// What each proof seals. It is no site's name, so that no proof can pass for an event.
const proofAad = 'key_check'
const proofText = Buffer.from('postern')

interface Row { key_id: Buffer, proof: Buffer }

function opens (keys: Keys, row: Row): boolean {
  try {
    return keys.open(proofAad, row.proof).equals(proofText)
  } catch (error) {
    if (error instanceof KeyError) return false
    throw error
  }
}

/**
 * Compares the ring with the table `key_check`, and writes the active key down when it is new: in an empty database,
 * or when another secret of the ring proves that the change is meant. A ring that opens nothing of what is there is
 * refused. Throws on an outage of the database.
 */
export async function checkKeys (pool: Pool, keys: Keys): Promise<KeyCheck> {
  return await withTransaction(pool, async (tx) => {
    // Of several first processes with different secrets only one may found the database.
    await tx.query('LOCK TABLE key_check IN SHARE ROW EXCLUSIVE MODE')
    const { rows } = await tx.query<Row>('SELECT key_id, proof FROM key_check ORDER BY created_at, key_id')
    const opened = rows.filter((row) => opens(keys, row))
    if (rows.length > 0 && opened.length === 0) return { ok: false, problem: describeMismatch(keys, rows) }
    const activeId = Buffer.from(keys.keyIds[0] ?? '', 'hex')
    if (!opened.some((row) => row.key_id.equals(activeId))) {
      await tx.query('INSERT INTO key_check (key_id, proof) VALUES ($1, $2)',
        [activeId, keys.seal(proofAad, proofText)])
    }
    return { ok: true, lost: rows.filter((row) => !opened.includes(row)).map((row) => row.key_id.toString('hex')) }
  })
}

function describeMismatch (keys: Keys, rows: Row[]): string {
  const known = rows.map((row) => row.key_id.toString('hex')).join(', ')
  return `POSTERN_SECRET (key ${keys.keyIds.join(', ')}) is not the secret of this database (key ${known}): ` +
    'nothing stored in it could be opened. Give the secret it was made with; to change secrets, put the new one ' +
    'in front of the old one: POSTERN_SECRET=new,old'
}
