// `items`: the products of an event, with the fields that GA4 knows.
import type { MapWarning } from '../../destination.ts'
import type { Item } from '../../../schema/event.ts'
import type { Ga4Item } from './payload.ts'
import { idOf, plainTextOf } from './texts.ts'

/** GA4 takes this many products of one event. */
const mostItems = 200

/** The products; undefined when there are none. One without an id and a name is none (google.md §3 "Money"). */
export function itemsOf (items: readonly Item[], longest: number, warnings: MapWarning[]): Ga4Item[] | undefined {
  const usable = items.flatMap((item, index) => {
    const made = itemOf(item, `items.${index}`, longest, warnings)
    if (made.item_id !== undefined || made.item_name !== undefined) return [made]
    warnings.push({ path: `items.${index}`, code: 'no_id_and_no_name' })
    return []
  })
  if (usable.length > mostItems) warnings.push({ path: 'items', code: 'too_many_items' })
  return usable.length === 0 ? undefined : usable.slice(0, mostItems)
}

function itemOf (item: Item, path: string, longest: number, warnings: MapWarning[]): Ga4Item {
  const text = (value: string | undefined, key: string) => plainTextOf(value, `${path}.${key}`, longest, warnings)
  return {
    item_id: idOf(item.item_id, `${path}.item_id`, longest, warnings),
    item_name: text(item.item_name, 'item_name'),
    item_brand: text(item.item_brand, 'item_brand'),
    item_category: text(item.item_category, 'item_category'),
    item_variant: text(item.item_variant, 'item_variant'),
    coupon: text(item.coupon, 'coupon'),
    discount: item.discount,
    price: item.price,
    quantity: item.quantity
  }
}
