// `custom_data`: money, products and the parameters that the settings let out.
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import type { Item } from '../../../schema/event.ts'
import { moneyOf } from '../../money.ts'
import type { MetaContent, MetaCustomData } from './payload.ts'

const anEmail = /[^\s@]+@[^\s@]+\.[^\s@]+/

/** Standard keys that only a parameter can give, and what they must be (meta.md §1.5). */
const standardParams: Record<string, (value: unknown) => boolean> = {
  net_revenue: isNumber,
  predicted_ltv: isNumber,
  content_name: isPlain,
  content_category: isPlain,
  status: value => typeof value === 'string' && isPlain(value),
  delivery_category: value => ['in_store', 'curbside', 'home_delivery'].includes(String(value)),
  content_type: value => ['product', 'product_group'].includes(String(value))
}
/** Keys that are the event's own: a parameter of that name never takes their place. */
const ownKeys = new Set(['value', 'currency', 'content_ids', 'contents', 'order_id', 'num_items', 'search_string',
  'customer_segmentation', 'event_source', 'lead_event_source'])
/** Used elsewhere in the payload. */
const usedParams = new Set(['meta_lead_id'])

function isNumber (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isPlain (value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && !anEmail.test(value)
}

/**
 * What the event is about. A value goes with its currency or not at all (meta.md §1.5): the event's, or the site's
 * defaults for what it does not say; a purchase without a value is worth its items.
 * `source` is the CRM's name for a lead's later stages.
 */
export function customDataOf (
  event: OutgoingEvent, source: string | undefined, warnings: MapWarning[]
): MetaCustomData | undefined {
  const contents = contentsOf(event.items ?? [], warnings)
  const name = contents.length === 1 ? contents[0]?.title : undefined
  const data: MetaCustomData = {
    ...paramsOf(event.params ?? {}, warnings),
    ...moneyOf(event, { sumsItems: event.event_name === 'purchase' }, warnings),
    contents: contents.length > 0 ? contents : undefined,
    content_ids: contents.length > 0 ? [...new Set(contents.map(content => content.id))] : undefined,
    num_items: contents.length > 0 ? contents.reduce((sum, { quantity = 1 }) => sum + quantity, 0) : undefined,
    order_id: textOf(event.transaction_id, 'transaction_id', warnings),
    search_string: textOf(event.search_term, 'search_term', warnings),
    customer_segmentation: segmentOf(event.new_customer),
    event_source: source === undefined ? undefined : 'crm',
    lead_event_source: source
  }
  if (contents.length > 0) data.content_type ??= 'product'
  data.content_name ??= name
  return Object.values(data).every(value => value === undefined) ? undefined : data
}

function segmentOf (isNew: boolean | undefined): MetaCustomData['customer_segmentation'] {
  if (isNew === undefined) return undefined
  return isNew ? 'new_customer_to_business' : 'existing_customer_to_business'
}

/** Text that leaves in clear: never with an e-mail address in it. */
function textOf (value: string | undefined, path: string, warnings: MapWarning[]): string | undefined {
  if (value === undefined || value.trim() === '') return undefined
  if (!anEmail.test(value)) return value
  warnings.push({ path, code: 'personal_data' })
  return undefined
}

function contentsOf (items: readonly Item[], warnings: MapWarning[]): MetaContent[] {
  return items.flatMap((item, index) => {
    const id = item.item_id?.trim() ?? ''
    if (id !== '' && !anEmail.test(id)) return [contentOf(item, id)]
    warnings.push({ path: `items.${index}.item_id`, code: id === '' ? 'missing' : 'personal_data' })
    return []
  })
}

function contentOf (item: Item, id: string): MetaContent {
  const quantity = item.quantity ?? 1
  return {
    id,
    quantity: Number.isInteger(quantity) && quantity > 0 ? quantity : undefined,
    item_price: isNumber(item.price) ? item.price : undefined,
    title: isPlain(item.item_name) ? item.item_name : undefined,
    brand: isPlain(item.item_brand) ? item.item_brand : undefined,
    category: isPlain(item.item_category) ? item.item_category : undefined
  }
}

/** The parameters, already reduced to those that the settings name; only plain values, and none that is an e-mail. */
function paramsOf (params: Record<string, unknown>, warnings: MapWarning[]): Partial<MetaCustomData> {
  const kept: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(params)) {
    if (usedParams.has(key)) continue
    const isFit = standardParams[key]?.(value) ??
      (!ownKeys.has(key) && (isPlain(value) || isNumber(value) || typeof value === 'boolean'))
    if (isFit) kept[key] = value
    else warnings.push({ path: `params.${key}`, code: 'unusable' })
  }
  return kept as Partial<MetaCustomData>
}
