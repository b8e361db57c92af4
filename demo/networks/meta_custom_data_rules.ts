// What the fake Meta demands of an event's `custom_data`.
import {
  arrayOf, findLeaf, firstUnknown, firstWrong, isInteger, isNumber, isObject, isText, listOf, objectAt, oneOf
} from './json.ts'
import { generalSubcode, isAmount } from './meta_rule.ts'
import type { Rule } from './meta_rule.ts'

const currencies = new Set(Intl.supportedValuesOf('currency'))
const isTextOrNumber = (value: unknown): boolean => isText(value) || isNumber(value)
const isDeliveryCategory = oneOf('in_store', 'curbside', 'home_delivery')

/** The standard keys of `custom_data` and their types; others pass (meta.md §1.5). */
const customKeys: Record<string, (value: unknown) => boolean> = {
  value: isAmount,
  net_revenue: isAmount,
  predicted_ltv: isAmount,
  currency: isText,
  content_name: isText,
  content_category: isText,
  content_ids: arrayOf(isTextOrNumber),
  contents: arrayOf(isObject),
  content_type: oneOf('product', 'product_group'),
  order_id: isText,
  num_items: isInteger,
  search_string: isText,
  status: isTextOrNumber,
  item_number: isTextOrNumber,
  delivery_category: isDeliveryCategory
}
const contentKeys: Record<string, (value: unknown) => boolean> = {
  id: isTextOrNumber,
  quantity: value => isInteger(value) && Number(value) > 0,
  item_price: isAmount,
  title: isText,
  description: isText,
  brand: isText,
  category: isText,
  delivery_category: isDeliveryCategory
}

export const customDataRules: readonly Rule[] = [
  {
    name: 'custom_value_type',
    from: 'meta.md §1.5 the types of the standard keys',
    subcode: generalSubcode,
    broken: event => firstWrong(objectAt(event, 'custom_data'), customKeys, ['custom_data'])
  },
  {
    name: 'purchase_without_value',
    from: 'meta.md §1.5 Purchase: 2804009',
    subcode: 2804009,
    broken: event => event.event_name === 'Purchase' && objectAt(event, 'custom_data').value === undefined
      ? ['custom_data', 'value']
      : undefined
  },
  {
    name: 'value_without_currency',
    from: 'meta.md §1.5 value without currency: 2804023',
    subcode: 2804023,
    broken: ({ custom_data: data }) => isObject(data) && data.value !== undefined && data.currency === undefined
      ? ['custom_data', 'currency']
      : undefined
  },
  {
    name: 'currency_code',
    from: 'meta.md §1.5 currency ISO-4217, lower case accepted',
    subcode: generalSubcode,
    broken: event => findLeaf(objectAt(event, 'custom_data').currency, code => typeof code === 'string' &&
      !currencies.has(code.toUpperCase()), ['custom_data', 'currency'])
  },
  {
    name: 'content_keys',
    from: 'meta.md §1.5 contents[]: id required; its keys',
    subcode: generalSubcode,
    broken (event) {
      const contents = listOf(objectAt(event, 'custom_data').contents).filter(isObject)
      for (const [index, content] of contents.entries()) {
        const path = ['custom_data', 'contents', index]
        if (content.id === undefined) return [...path, 'id']
        const wrong = firstUnknown(content, contentKeys, path) ?? firstWrong(content, contentKeys, path)
        if (wrong !== undefined) return wrong
      }
      return undefined
    }
  },
  {
    name: 'negative_value',
    from: 'ours: no conversion that Postern sends takes money away',
    broken: event => Number(objectAt(event, 'custom_data').value) < 0 ? ['custom_data', 'value'] : undefined
  }
]
