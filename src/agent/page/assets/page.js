// The status page: asks the agent every few seconds, and says so when it does not answer.
import { view } from './api.js'
import { byId } from './dom.js'
import { age, time } from './format.js'
import { showNames } from './names.js'
import { showIncidents, showOverview } from './overview.js'
import { showPods, showRoutes } from './routes.js'
import { refreshServices, startServices } from './services.js'
import { followWhyLinks } from './why.js'

const INTERVAL_MS = 3000

let isPaused = false
let answeredMs = Date.now()

async function refresh() {
  const [status, dns, pods, routes, incidents] = await Promise.all([
    view('status'),
    view('dns'),
    view('pods'),
    view('routes'),
    view('incidents'),
    refreshServices(),
  ])
  showOverview(status)
  showNames(dns)
  showPods(pods)
  showRoutes(routes)
  showIncidents(incidents)
}

async function refreshOrTell() {
  try {
    await refresh()
    answeredMs = Date.now()
    byId('trouble').hidden = true
    document.body.classList.remove('is-old')
  } catch {
    const since = age(Date.now() - answeredMs)
    byId('trouble').textContent =
      `The agent does not answer for ${since}. What is shown is of ${time(answeredMs)}.`
    byId('trouble').hidden = false
    document.body.classList.add('is-old')
  }
}

/** One question after the other, none while nobody looks. */
async function follow() {
  for (;;) {
    if (!isPaused && !document.hidden) await refreshOrTell()
    await new Promise(resolve => setTimeout(resolve, INTERVAL_MS))
  }
}

byId('pause').addEventListener('click', () => {
  isPaused = !isPaused
  byId('pause').setAttribute('aria-pressed', String(isPaused))
  byId('pause').textContent = isPaused ? 'Go on' : 'Pause'
})
startServices()
followWhyLinks()
void follow()
