// Makes scan.wasm of scan.wat; with --check it only says whether it is current. What is compiled is kept in the repository.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import openWabt from 'wabt'

const folder = fileURLToPath(new URL('../platform/src/kernel/vectors/', import.meta.url))
const wabt = await openWabt()
const source = readFileSync(`${folder}scan.wat`, 'utf8')
const compiled = Buffer.from(wabt.parseWat('scan.wat', source, { simd: true }).toBinary({}).buffer)

if (!process.argv.includes('--check')) writeFileSync(`${folder}scan.wasm`, compiled)
else if (!compiled.equals(readFileSync(`${folder}scan.wasm`))) {
  process.stderr.write('scan.wasm is not what scan.wat says; run: node scripts/compile-kernels.mjs\n')
  process.exit(1)
}
