// `properties`: money, products and the parameters that the settings let out (other-networks.md §1.5).
import { Value } from 'typebox/value'
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import type { Item } from '../../../schema/event.ts'
import { moneyOf } from '../../money.ts'
import { currencies } from './currencies.ts'
import { TikTokProperties, type TikTokContent } from './payload.ts'

const anEmail = /[^\s@]+@[^\s@]+\.[^\s@]+/
/** Keys that are the event's own: a parameter of that name never takes their place. */
const ownKeys = new Set(['value', 'currency', 'contents', 'content_ids', 'num_items', 'order_id', 'search_string',
  'customer_type'])
/** Used elsewhere in the payload. */
const usedParams = new Set(['tiktok_lead_id'])

function isNumber (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** Text that leaves in clear: never with an e-mail address in it. */
function isPlain (value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && !anEmail.test(value)
}

/**
 * What the event is about. A value goes with its currency or not at all: the event's, or the site's defaults for what
 * it does not say; without a value, it is worth its items.
 */
export function propertiesOf (event: OutgoingEvent, warnings: MapWarning[]): TikTokProperties | undefined {
  const contents = contentsOf(event.items ?? [], warnings)
  const has = contents.length > 0
  const properties: TikTokProperties = {
    ...paramsOf(event.params ?? {}, warnings),
    ...worthOf(event, warnings),
    contents: has ? contents : undefined,
    content_ids: has ? [...new Set(contents.map(content => content.content_id))] : undefined,
    num_items: piecesIn(contents),
    order_id: textOf(event.transaction_id, 'transaction_id', warnings),
    search_string: textOf(event.search_term, 'search_term', warnings),
    customer_type: event.new_customer === undefined ? undefined : event.new_customer ? 'new' : 'returning'
  }
  // §9: a list is what TikTok calls a product group.
  if (has) properties.content_type ??= event.event_name === 'view_item_list' ? 'product_group' : 'product'
  return Object.values(properties).every(value => value === undefined) ? undefined : properties
}

function piecesIn (contents: readonly TikTokContent[]): number | undefined {
  const pieces = contents.reduce((sum, { quantity = 1 }) => sum + quantity, 0)
  return pieces > 0 && Number.isSafeInteger(pieces) ? pieces : undefined
}

function textOf (value: string | undefined, path: string, warnings: MapWarning[]): string | undefined {
  if (value === undefined || value.trim() === '') return undefined
  if (isPlain(value)) return value
  warnings.push({ path, code: 'personal_data' })
  return undefined
}

/** A list of products is worth nothing. */
function worthOf (event: OutgoingEvent, warnings: MapWarning[]): Pick<TikTokProperties, 'value' | 'currency'> {
  const sumsItems = event.event_name !== 'view_item_list'
  const money = moneyOf(event, { sumsItems, currencies }, warnings)
  const isSilent = money.value === undefined && !warnings.some(({ path }) => path === 'value' || path === 'currency')
  if (event.event_name === 'purchase' && isSilent) warnings.push({ path: 'value', code: 'missing' })
  return money
}

/** A product without an id would refuse its request, by the path to its `content_id` (§1.10). */
function contentsOf (items: readonly Item[], warnings: MapWarning[]): TikTokContent[] {
  return items.flatMap((item, index) => {
    const id = item.item_id?.trim() ?? ''
    if (id !== '' && !anEmail.test(id)) return [contentOf(item, id)]
    warnings.push({ path: `items.${index}.item_id`, code: id === '' ? 'missing' : 'personal_data' })
    return []
  })
}

function contentOf (item: Item, id: string): TikTokContent {
  const quantity = item.quantity ?? 1
  return {
    content_id: id,
    content_name: isPlain(item.item_name) ? item.item_name : undefined,
    content_category: isPlain(item.item_category) ? item.item_category : undefined,
    brand: isPlain(item.item_brand) ? item.item_brand : undefined,
    price: isNumber(item.price) ? item.price : undefined,
    quantity: Number.isSafeInteger(quantity) && quantity > 0 ? quantity : undefined
  }
}

/** The parameters that the settings name, as far as TikTok has a property of that name and the value is of its kind. */
function paramsOf (params: Record<string, unknown>, warnings: MapWarning[]): Partial<TikTokProperties> {
  const schemas = TikTokProperties.properties
  const kept: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(params)) {
    if (usedParams.has(key)) continue
    const schema = Object.hasOwn(schemas, key) ? schemas[key as keyof typeof schemas] : undefined
    if (schema === undefined) warnings.push({ path: `params.${key}`, code: 'not_a_property_of_tiktok' })
    else if (!ownKeys.has(key) && Value.Check(schema, value) && isClean(value)) kept[key] = value
    else warnings.push({ path: `params.${key}`, code: 'unusable' })
  }
  return kept as Partial<TikTokProperties>
}

/** No blank text and no e-mail address anywhere in it. */
function isClean (value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isClean)
  return typeof value !== 'string' || isPlain(value)
}
