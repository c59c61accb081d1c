/** A reporter of node's test runner: the path of each test file that failed, one a line, wherever its tests are written. */
export default async function* failedFiles(events) {
  const told = new Set()
  for await (const { type, data } of events) {
    const file = data.entryFile ?? data.file
    if (type !== 'test:fail' || told.has(file)) continue
    told.add(file)
    yield `${file}\n`
  }
}
