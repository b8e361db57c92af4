// Keeps the journey up to date until nothing more is to be expected: asks for the page again and replaces its part.
(function () {
  const endsAt = Date.now() + 10 * 60 * 1000

  async function look () {
    const shown = document.getElementById('journey')
    if (!shown || !shown.dataset.journey) return
    try {
      const response = await window.fetch(window.location.href)
      const page = new window.DOMParser().parseFromString(await response.text(), 'text/html')
      const fresh = page.getElementById('journey')
      if (fresh && fresh.outerHTML !== shown.outerHTML) shown.replaceWith(document.adoptNode(fresh))
    } catch {
      shown.querySelector('.summary').textContent = 'The demo does not answer.'
    }
    // A pixel's copy may come a little after ours, so a finished journey is looked at again, only less often.
    const isFinished = document.getElementById('journey').dataset.finished === 'true'
    if (Date.now() < endsAt) setTimeout(look, isFinished ? 5000 : 1000)
  }
  look()
})()
