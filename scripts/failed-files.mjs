/** A reporter of node's test runner: the path of each file in which a test failed, one a line. */
export default async function* failedFiles(events) {
  const told = new Set()
  for await (const { type, data } of events) {
    if (type !== 'test:fail' || told.has(data.file)) continue
    told.add(data.file)
    yield `${data.file}\n`
  }
}
