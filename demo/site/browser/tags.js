// Stand-ins for the other networks' tags: ttq.track() and gtag(), their cookies, and their copies to the fake networks.
(function () {
  const { endpoint, tiktokPixel, googleCustomer, measurementId } = document.currentScript.dataset
  const held = []
  let granted = false

  function readCookie (name) {
    const found = document.cookie.split('; ').find(pair => pair.startsWith(name + '='))
    return found ? found.slice(name.length + 1) : ''
  }

  /** The cookie's value; made and kept for `days` where there is none. */
  function keepCookie (name, days, make) {
    const life = '; path=/; max-age=' + days * 86400 + '; SameSite=Lax'
    if (!readCookie(name)) document.cookie = name + '=' + make() + life
    return readCookie(name)
  }

  const random = () => Math.floor(Math.random() * 1e9)
  const seconds = () => Math.floor(Date.now() / 1000)
  const letters = length => Array.from({ length }, () => Math.floor(Math.random() * 36).toString(36)).join('')

  function send (path, body) {
    // keepalive: the page may be leaving, for the form is being submitted.
    window.fetch(endpoint + path, { method: body ? 'POST' : 'GET', body, mode: 'no-cors', keepalive: true })
      .catch(function () {
        console.info('DEMO: the fake network could not be reached, as if a blocker had stopped the tag.')
      })
  }

  /** Runs at once, or when the visitor has agreed. */
  function withConsent (call) {
    if (granted) call()
    else held.push(call)
  }

  const page = () => ({ url: window.location.href, referrer: document.referrer })

  window.ttq = {
    track: function (event, properties, options) {
      withConsent(function () {
        const user = { ttp: keepCookie('_ttp', 390, () => letters(27)) }
        send('/tiktok/api/v2/pixel', JSON.stringify({
          event,
          event_id: options && options.event_id,
          context: { pixel: { code: tiktokPixel }, page: page(), user },
          properties: properties || {}
        }))
      })
    }
  }

  function reportToGa4 (name, params) {
    const client = keepCookie('_ga', 390, () => ['GA1', 1, random(), seconds()].join('.'))
    const session = keepCookie('_ga_' + measurementId.slice(2), 390, () => 'GS2.1.s' + seconds() + '$o1$g1')
    const fields = new URLSearchParams({
      v: 2,
      tid: measurementId,
      cid: client.split('.').slice(-2).join('.'),
      en: name,
      dl: window.location.href,
      sid: session.slice(7).split('$')[0]
    })
    Object.entries(params).forEach(function ([key, value]) {
      if (typeof value === 'number') fields.set('epn.' + key, value)
      else if (typeof value === 'string') fields.set('ep.' + key, value)
    })
    send('/ga4/g/collect?' + fields)
  }

  function reportConversion ({ send_to: sendTo, transaction_id: id, value, currency }) {
    const fields = new URLSearchParams({ label: sendTo.split('/')[1], oid: id })
    if (value !== undefined) fields.set('value', value)
    if (currency) fields.set('currency_code', currency)
    send('/google_ads/pagead/conversion/' + googleCustomer + '/?' + fields)
  }

  window.gtag = function (command, name, params) {
    if (command === 'consent') {
      granted = params.ad_storage === 'granted'
      if (granted) held.splice(0).forEach(function (call) { call() })
    } else if (command === 'event') {
      withConsent(function () { name === 'conversion' ? reportConversion(params) : reportToGa4(name, params) })
    }
  }
})()
