// Makes sure that a process holds the secret under which the database's personal data was sealed.
import { KeyError, type Keys } from './keys.ts'
import { withTransaction, type Pool, type Queryable } from './postgres.ts'

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
    const { rows, opened, check } = await compare(tx, keys)
    const activeId = Buffer.from(keys.keyIds[0] ?? '', 'hex')
    if (check.ok && !rows.some(row => opened.has(row) && row.key_id.equals(activeId))) {
      await tx.query('INSERT INTO key_check (key_id, proof) VALUES ($1, $2)',
        [activeId, keys.seal(proofAad, proofText)])
    }
    return check
  })
}

/** The same comparison for who only reads, at a standby too: nothing is locked and nothing written. */
export async function compareKeys (db: Queryable, keys: Keys): Promise<KeyCheck> {
  return (await compare(db, keys)).check
}

async function compare (db: Queryable, keys: Keys): Promise<{ rows: Row[], opened: Set<Row>, check: KeyCheck }> {
  const { rows } = await db.query<Row>('SELECT key_id, proof FROM key_check ORDER BY created_at, key_id')
  const opened = new Set(rows.filter(row => opens(keys, row)))
  const isStrange = rows.length > 0 && opened.size === 0
  const lost = rows.filter(row => !opened.has(row)).map(row => row.key_id.toString('hex'))
  return { rows, opened, check: isStrange ? { ok: false, problem: describeMismatch(keys, rows) } : { ok: true, lost } }
}

function describeMismatch (keys: Keys, rows: Row[]): string {
  const known = rows.map((row) => row.key_id.toString('hex')).join(', ')
  return `POSTERN_SECRET (key ${keys.keyIds.join(', ')}) is not the secret of this database (key ${known}): ` +
    'nothing stored in it could be opened. Give the secret it was made with; to change secrets, put the new one ' +
    'in front of the old one: POSTERN_SECRET=new,old'
}
