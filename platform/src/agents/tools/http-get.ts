import { readable } from './readable.ts'
import { execute, type InSandbox, object } from './sandbox-tools.ts'
import { type Tool, ToolError } from './tool.ts'

const mostSeconds = 30
const mostBytes = 5_000_000

/** With whatever the sandbox has. All of them print the body and then a line with the status and the type. */
const program = `url=$1
if command -v curl >/dev/null 2>&1; then
  curl -sS -L --max-redirs 5 --proto '=http,https' --max-time ${mostSeconds} --max-filesize ${mostBytes} -A warren -w '\\n%{http_code} %{content_type}' -- "$url"
elif command -v python3 >/dev/null 2>&1; then
  exec python3 -c 'import sys,urllib.request,urllib.error
try: r=urllib.request.urlopen(urllib.request.Request(sys.argv[1],headers={"User-Agent":"warren"}),timeout=${mostSeconds})
except urllib.error.HTTPError as e: r=e
except Exception as e: sys.exit(str(e))
sys.stdout.buffer.write(r.read(${mostBytes}))
sys.stdout.write("\\n%d %s" % (r.status, r.headers.get("content-type","")))' "$url"
elif command -v node >/dev/null 2>&1; then
  exec node -e 'fetch(process.argv[1],{headers:{"user-agent":"warren"},signal:AbortSignal.timeout(${mostSeconds * 1000})}).then(async(r)=>process.stdout.write((await r.text()).slice(0,${mostBytes})+"\\n"+r.status+" "+(r.headers.get("content-type")??""))).catch((e)=>{console.error(String(e.cause??e));process.exit(1)})' "$url"
else
  echo 'there is neither curl, python3 nor node in the sandbox' >&2; exit 127
fi`

/** Fetches from inside the sandbox of the run: what it may not reach, this does not. */
export function httpGet(inside: InSandbox): Tool {
  return {
    name: 'http_get',
    description:
      'Fetches a page over HTTP or HTTPS, from your sandbox and by its rules for the network. Answers its text.',
    inputSchema: object({ url: { type: 'string', pattern: '^https?://[^\\s]+$', maxLength: 4096 } }, ['url']),
    effect: 'read',
    cacheable: true,
    timeoutMs: (mostSeconds + 60) * 1000,
    handler: async (context, { url }: { url: string }) => {
      const { stdout, stderr, ...exit } = await execute(inside, context, {
        command: ['/bin/sh', '-c', program, 'http_get', url],
        timeout: mostSeconds + 10,
      })
      const { noNetwork } = inside.sandbox
      if (noNetwork !== undefined)
        throw new ToolError('no_network', `sandboxes reach no network on this host: ${noNetwork}`, { happened: false })
      const [, body = '', status = '', type = ''] = /^([\s\S]*)\n(\d{3}) ?(.*)$/.exec(stdout) ?? []
      if (!status || status === '000')
        throw new ToolError(
          'unreachable',
          `${url} could not be fetched: ${stderr.trim().slice(0, 500) || JSON.stringify(exit)}`,
          { happened: false },
        )
      const text = /html/i.test(type) ? readable(body) : body
      return { text: `HTTP ${status} ${type}\n\n${text}`, isError: Number(status) >= 400 }
    },
  }
}
