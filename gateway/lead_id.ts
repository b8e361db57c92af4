// The ids of a lead: the same for a repeated post, another for another person, known without asking the database.
import type { Keys } from '../config/keys.ts'
import type { EventData } from '../schema/event.ts'
import { subjectsOf } from '../schema/subject.ts'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** RFC 4648 base32 in lower case, without padding. */
export function base32 (bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet.charAt((held >> (bits - 5)) & 31)
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + alphabet.charAt((held << (5 - bits)) & 31) : text
}

/** Who a lead is from: the normalised e-mails and phones; where there is none, everything that was typed. */
function identityOf (data: EventData, country: string | undefined): string {
  const subjects = subjectsOf(data.user_data, country)
  return JSON.stringify(subjects.length > 0 ? subjects : [data.user_data ?? null, data.fields ?? null])
}

/** `lead_id`, and the id that the lead's event gets if the given event_id turns out to be another person's. */
export function leadIds (
  site: string, eventId: string, data: EventData, country: string | undefined, keys: Keys
): { leadId: string, otherEventId: string } {
  const mac = keys.mac('lead_id', site, eventId, identityOf(data, country))
  return { leadId: `ld_${base32(mac.subarray(0, 16))}`, otherEventId: `l${base32(mac.subarray(16, 32))}` }
}
