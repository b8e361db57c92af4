// The currencies that TikTok takes: a closed list (other-networks.md §1.5), here as its own SDK for iOS names it
// (github.com/tiktok/tiktok-business-ios-sdk, TikTokConstants.m).

export const currencies: ReadonlySet<string> = new Set((
  'AED ARS AUD BDT BGN BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS INR ' +
  'IQD ISK JOD JPY KES KHR KRW KWD KZT LBP MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RUB SAR ' +
  'SEK SGD THB TRY TWD TZS UAH USD VES VND ZAR'
).split(' '))
