// What the fake TikTok demands of an event's `properties`.
import { arrayOf, firstUnknown, firstWrong, isInteger, isNumber, isObject, isText, listOf, objectAt, oneOf } from
  './json.ts'
import { at, type TiktokRule } from './tiktok_rule.ts'

type Test = (value: unknown) => boolean
const allAs = (test: Test, names: string): Record<string, Test> =>
  Object.fromEntries(names.split(' ').map(name => [name, test]))
const isCount: Test = value => isInteger(value) && Number(value) >= 0

/** Every key of `properties` and its type (§1.5). */
const propertyKeys: Record<string, Test> = {
  ...allAs(isText, 'currency search_string query description order_id shop_id'),
  ...allAs(isNumber, 'value predicted_ltv'),
  contents: arrayOf(isObject),
  content_ids: arrayOf(isText),
  content_type: oneOf('product', 'product_group'),
  num_items: isInteger,
  customer_type: oneOf('new', 'returning'),
  delivery_category: oneOf('in_store', 'curbside', 'home_delivery'),
  // Of the older API, and still among the parameters of the web.
  status: isText,
  ...allAs(isText, 'city region country checkin_date checkout_date departing_departure_date departing_arrival_date ' +
    'returning_departure_date returning_arrival_date origin_airport destination_airport travel_class travel_start ' +
    'travel_end'),
  ...allAs(arrayOf(isText), 'suggested_hotels destination_ids suggested_destinations'),
  ...allAs(isCount, 'num_adults num_children num_infants preferred_num_stops year'),
  user_score: isNumber,
  ...allAs(isText, 'postal_code make model state_of_vehicle exterior_color interior_color transmission body_style ' +
    'fuel_type drivetrain trim vin condition_of_vehicle viewcontent_type search_type registration_type'),
  mileage: isObject,
  preferred_price_range: value => arrayOf(isNumber)(value) && listOf(value).length === 2
}
const contentKeys: Record<string, Test> = {
  ...allAs(isText, 'content_id content_name content_category brand'),
  content_type: oneOf('product', 'product_group'),
  price: isNumber,
  quantity: value => isInteger(value) && Number(value) > 0
}
const mileageKeys: Record<string, Test> = { unit: isText, value: isNumber }

/** The closed list of §1.5, as TikTok's SDK for iOS has it. */
const currencies = new Set((
  'AED ARS AUD BDT BGN BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS INR ' +
  'IQD ISK JOD JPY KES KHR KRW KWD KZT LBP MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RUB SAR ' +
  'SEK SGD THB TRY TWD TZS UAH USD VES VND ZAR'
).split(' '))

export const tiktokPropertiesRules: readonly TiktokRule[] = [
  {
    name: 'unexpected_property',
    from: 'other-networks.md §1.5, the column of fields; `contents_ids` is a misspelling',
    code: 40002,
    broken: event => firstUnknown(objectAt(event, 'properties'), propertyKeys, ['properties']) ??
      firstUnknown(objectAt(objectAt(event, 'properties'), 'mileage'), mileageKeys, ['properties', 'mileage'])
  },
  {
    name: 'property_type',
    from: 'other-networks.md §1.5, the column of types',
    code: 40002,
    broken: event => firstWrong(objectAt(event, 'properties'), propertyKeys, ['properties']) ??
      firstWrong(objectAt(objectAt(event, 'properties'), 'mileage'), mileageKeys, ['properties', 'mileage'])
  },
  {
    name: 'value_without_currency',
    from: 'other-networks.md §1.5 value: requires currency',
    code: 40002,
    broken (event) {
      const { value, currency } = objectAt(event, 'properties')
      return at(value !== undefined && currency === undefined, 'properties', 'currency')
    }
  },
  {
    name: 'currency_code',
    from: 'other-networks.md §1.5 currency: ISO-4217, closed list of ~62 codes',
    code: 40002,
    broken (event) {
      const { currency } = objectAt(event, 'properties')
      return at(currency !== undefined && !currencies.has(String(currency)), 'properties', 'currency')
    }
  },
  {
    name: 'content_keys',
    from: 'other-networks.md §1.5 contents[]; §1.10 the path of a missing content_id',
    code: 40002,
    broken (event) {
      const contents = listOf(objectAt(event, 'properties').contents).filter(isObject)
      for (const [index, content] of contents.entries()) {
        const path = ['properties', 'contents', index]
        if (content.content_id === undefined) return [...path, 'content_id']
        const wrong = firstUnknown(content, contentKeys, path) ?? firstWrong(content, contentKeys, path)
        if (wrong !== undefined) return wrong
      }
      return undefined
    }
  },
  {
    name: 'content_type_missing',
    from: 'other-networks.md §1.5 content_type: needed for catalogue events',
    code: 40002,
    broken (event) {
      const { contents, content_ids: ids, content_type: type } = objectAt(event, 'properties')
      return at((contents ?? ids) !== undefined && type === undefined, 'properties', 'content_type')
    }
  },
  {
    name: 'negative_value',
    from: 'ours: no conversion that Postern sends takes money away',
    code: 40002,
    broken: event => at(Number(objectAt(event, 'properties').value) < 0, 'properties', 'value')
  }
]
