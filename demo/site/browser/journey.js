// Keeps the journey's timeline up to date until nothing more is to be expected.
(function () {
  const summary = document.querySelector('[data-journey]')
  const list = document.querySelector('.timeline')
  if (!summary || !list) return
  const address = '/journey.json?event_id=' + encodeURIComponent(summary.getAttribute('data-journey'))
  const endsAt = Date.now() + 10 * 60 * 1000

  function make (name, text, className) {
    const element = document.createElement(name)
    element.textContent = text
    if (className) element.className = className
    return element
  }

  function show (timeline) {
    if (summary.textContent !== timeline.summary) summary.textContent = timeline.summary
    list.replaceChildren(...timeline.steps.map(function (step) {
      const item = make('li', '', step.state)
      item.append(make('strong', step.title))
      if (step.detail) item.append(' ', make('span', step.detail))
      if (step.at) item.append(' ', make('time', step.at.slice(11, 19) + ' UTC'))
      return item
    }))
  }

  async function look () {
    let finished = false
    try {
      const response = await window.fetch(address)
      if (response.ok) {
        const timeline = await response.json()
        show(timeline)
        finished = timeline.finished
      }
    } catch {
      summary.textContent = 'The demo does not answer.'
    }
    // A pixel's copy may come a little after ours, so a finished journey is looked at again, only less often.
    if (Date.now() < endsAt) setTimeout(look, finished ? 5000 : 1000)
  }
  look()
})()
