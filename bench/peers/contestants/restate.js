/** Restate: its server beside a service of its TypeScript SDK. A service for each process, called through the server's ingress. */
import { createServer } from 'node:http2'
import { once } from 'node:events'

// The SDK asks for Node 22. This is all that Node 20 lacks of what it uses here.
Promise.withResolvers ??= () => {
  const deferred = {}
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }))
  return deferred
}

/** @param {import('../contract.ts').Opening} opening */
export async function open({ reach, work, process: index }) {
  process.env.RESTATE_LOGGING = 'ERROR' // or it prints two lines for each call; read when it is loaded
  const restate = await import('@restatedev/restate-sdk')
  const clients = await import('@restatedev/restate-sdk-clients')
  const service = restate.service({
    name: `peer${index}`,
    handlers: {
      tenSteps: (ctx, task) => work.tenSteps(task, (_, step) => ctx.run('trivial', step)),
      computing: (ctx, task) => work.computing(task, (_, step) => ctx.run('compute', step)),
    },
  })
  const server = createServer(restate.createEndpointHandler({ services: [service] }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const registered = await fetch(`${reach.restate.admin}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri: `http://127.0.0.1:${server.address().port}` }),
  })
  if (!registered.ok) throw new Error(`the service was not registered: ${registered.status} ${await registered.text()}`)
  const client = clients.connect({ url: reach.restate.ingress }).serviceClient(service)
  return {
    tenSteps: task => client.tenSteps(task),
    computing: task => client.computing(task),
    close: async () => { server.close() },
  }
}
