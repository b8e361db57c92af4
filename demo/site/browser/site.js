// The demo client's own script: queue stubs, the consent banner, and the purchase of the thank-you page.
(function () {
  const pixelId = document.currentScript.dataset.pixelId
  const storageKey = 'demo_consent'

  // What Postern's install snippet is: calls before the script has loaded wait in a queue.
  window.postern = window.postern || function () { (window.postern.q = window.postern.q || []).push(arguments) }
  window.dataLayer = window.dataLayer || []

  // What a pixel's snippet is: the same idea.
  const fbq = window.fbq = function () {
    if (fbq.callMethod) fbq.callMethod.apply(fbq, arguments)
    else fbq.queue.push(arguments)
  }
  fbq.queue = []
  fbq('consent', 'revoke')
  fbq('init', pixelId)
  fbq('track', 'PageView')

  function tellChoice (choice) {
    // Postern first: its cookies are to be there before the pixel runs.
    window.postern('consent', {
      ad_storage: choice, ad_user_data: choice, ad_personalization: choice, analytics_storage: choice
    })
    fbq('consent', choice === 'granted' ? 'grant' : 'revoke')
    if (window.gtag) window.gtag('consent', 'update', { ad_storage: choice })
  }

  /** The choice of an earlier page; null where there is none or the browser keeps nothing. */
  function readChoice () {
    try {
      return window.localStorage.getItem(storageKey)
    } catch {
      return null
    }
  }

  function keepChoice (choice) {
    try {
      window.localStorage.setItem(storageKey, choice)
    } catch {
      console.info('DEMO: this browser keeps nothing, so the banner will ask again.')
    }
  }

  const known = readChoice()
  if (known === 'granted' || known === 'denied') tellChoice(known)

  // Under the lead's id the thank-you page can show its journey.
  document.addEventListener('postern:event', function (event) {
    const { event_name: name, event_id: eventId } = event.detail
    const journey = '/journey?event_id=' + encodeURIComponent(eventId)
    if (name === 'generate_lead') {
      const next = document.querySelector('form[data-postern-lead] [name=postern_next]')
      if (next) next.value = new URL('/thanks?event_id=' + encodeURIComponent(eventId), window.location.href).href
    }
    const link = document.querySelector('[data-order] [data-journey-link]')
    if (name === 'purchase' && link) link.href = journey
  })

  document.addEventListener('DOMContentLoaded', function () {
    const banner = document.getElementById('consent')
    banner.hidden = known !== null
    banner.addEventListener('click', function (event) {
      const choice = event.target.getAttribute('data-consent-choice')
      if (!choice) return
      keepChoice(choice)
      tellChoice(choice)
      banner.hidden = true
    })
    document.querySelector('[data-open-consent]').addEventListener('click', function () {
      banner.hidden = false
      banner.querySelector('button').focus()
    })

    const bought = document.querySelector('[data-order]')
    if (!bought) return
    const order = JSON.parse(bought.getAttribute('data-order'))
    window.dataLayer.push({ ecommerce: order })
    window.postern('track', 'purchase', order)
  })
})()
