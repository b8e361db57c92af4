// A stand-in for a network's pixel: fbq() with init, consent, track; its cookies, and its copy to the fake network.
(function () {
  const endpoint = document.currentScript.dataset.endpoint
  const cookieSeconds = 90 * 24 * 3600
  const held = []
  let pixelId = ''
  let granted = true

  function readCookie (name) {
    const found = document.cookie.split('; ').find(pair => pair.startsWith(name + '='))
    return found ? found.slice(name.length + 1) : ''
  }

  /** Sets a cookie on the highest domain that takes it, and answers how many labels that has beyond one. */
  function writeCookie (name, makeValue) {
    const { hostname } = window.location
    const labels = hostname.split('.')
    const hasDomain = labels.length > 1 && !/^[\d.]+$/.test(hostname)
    for (let count = 1; count <= labels.length; count++) {
      const domain = hasDomain ? '; domain=.' + labels.slice(-count).join('.') : ''
      const value = makeValue(hasDomain ? count - 1 : 0)
      document.cookie = name + '=' + value + domain + '; path=/; max-age=' + cookieSeconds + '; SameSite=Lax'
      if (readCookie(name) === value) return
    }
  }

  function keepCookies () {
    const random = () => Math.floor(Math.random() * 999999999)
    if (!readCookie('_fbp')) writeCookie('_fbp', index => ['fb', index, Date.now(), '' + random() + random()].join('.'))
    // The click id as it stands in the address, undecoded.
    const click = /[?&]fbclid=([^&#]+)/.exec(window.location.href)
    if (click && readCookie('_fbc').split('.')[3] !== click[1]) {
      writeCookie('_fbc', index => ['fb', index, Date.now(), click[1]].join('.'))
    }
  }

  function report (name, params, options) {
    keepCookies()
    const fields = new URLSearchParams({ id: pixelId, ev: name, dl: window.location.href, rl: document.referrer })
    fields.set('ts', Date.now())
    if (options && options.eventID) fields.set('eid', options.eventID)
    for (const cookie of ['_fbp', '_fbc']) if (readCookie(cookie)) fields.set(cookie.slice(1), readCookie(cookie))
    Object.entries(params || {}).forEach(function ([key, value]) {
      if (value !== undefined) fields.set('cd[' + key + ']', value)
    })
    // keepalive: the page may be leaving, for the form is being submitted.
    window.fetch(endpoint + '?' + fields, { mode: 'no-cors', keepalive: true }).catch(function () {
      console.info('DEMO: the fake network could not be reached, as if a blocker had stopped the pixel.')
    })
  }

  const calls = {
    init: function (id) { pixelId = id },
    consent: function (choice) {
      granted = choice === 'grant'
      if (granted) held.splice(0).forEach(function (call) { report(...call) })
    },
    track: function (name, params, options) {
      if (granted) report(name, params, options)
      else held.push([name, params, options])
    }
  }

  const fbq = window.fbq
  fbq.callMethod = function (name) {
    if (Object.hasOwn(calls, name)) calls[name](...Array.prototype.slice.call(arguments, 1))
  }
  while (fbq.queue.length > 0) fbq.callMethod(...fbq.queue.shift())
})()
