/**
 * The file that Piscina loads in a worker thread. It is CommonJS, because Piscina tries require() first: a thread that is ended while it
 * require()s an ES module takes the whole process with it ("FATAL ERROR: v8::Module::IsGraphAsync", seen on Node 20.20). import() is safe.
 */
module.exports.bootThread = async (task: never): Promise<unknown> => {
  const { bootThread } = await import('./actor.ts')
  return bootThread(task)
}
