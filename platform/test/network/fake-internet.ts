import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Certified } from '../../src/lib/certificate.ts'
import { runCommand } from '../../src/lib/run-command.ts'

const servers = fileURLToPath(new URL('fake-servers.ts', import.meta.url))

export const tcpPorts = [22, 25, 53, 80, 443, 853, 4444, 5432, 8080, 8443, 8853]
export const udpPorts = [53, 123, 443, 4444]

/** Who is there. The last two are asked for anew each time. */
export const zone: Record<string, string[]> = {
  'allowed.example': ['93.184.216.34'],
  'www.wild.example': ['93.184.216.34'],
  'other.wild.example': ['93.184.216.36'],
  'h2.wild.example': ['93.184.216.34'],
  'evil.example': ['66.66.66.66'],
  'shared.example': ['93.184.216.34'],
  'meta.wild.example': ['169.254.169.254'],
  'private.wild.example': ['10.9.9.9'],
  'loopback.wild.example': ['127.0.0.1'],
  'rebind.wild.example': ['93.184.216.34', '10.9.9.9'],
}

/** Where servers answer, all in one namespace. */
export const addresses = {
  allowed: '93.184.216.34',
  listed: '93.184.216.50',
  evil: '66.66.66.66',
  resolver: '8.8.8.8',
  metadata: '169.254.169.254',
  private: ['10.9.9.9', '172.16.5.5', '192.168.77.7', '100.64.1.1'],
  /** Of the namespace that connections go out from: the host itself. */
  host: '45.33.32.156',
  ipv6: '2606:4700::1111',
}

interface Arrival {
  address: string
  protocol: string
  port: number
}

export interface Seen {
  /** Every kind of packet that arrived there or at the host since `forget`, whoever listens. */
  arrivals: Arrival[]
  events: FakeEvent[]
}

export interface FakeEvent {
  kind: string
  /** A request that came in TLS. */
  method?: string
  url?: string
  headers?: Record<string, string | string[] | undefined>
  user?: string
  address?: string
  port?: number
  text?: string
  name?: string
  type?: string
}

/** A small internet of this machine's own: what plays the host's way out, servers of all kinds, and a client without a sandbox. */
export interface FakeInternet {
  /** The namespace for WARREN_EGRESS_UPLINK. */
  uplink: string
  /** What the servers were told since `forget`, as it comes. */
  events: FakeEvent[]
  seen(): Promise<Seen>
  forget(): Promise<void>
  /** Runs a program in a plain namespace from which all of it can be reached. */
  plain(argv: string[]): Promise<{ stdout: string }>
  close(): Promise<void>
}

/** Why it cannot be made here; undefined where it can. */
export async function fakeInternetLacks(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root can make network namespaces'
  for (const command of ['ip', 'nft', 'python3']) {
    const { failure } = await runCommand([command, '-V'], { timeoutMs: 5000 })
    if (failure === 'is not installed') return `${command} is not installed`
  }
  return undefined
}

/** With `certified`, port 443 speaks HTTP inside TLS and shows the certificate of the name that is asked for. */
export async function openFakeInternet(certified: Record<string, Certified> = {}): Promise<FakeInternet> {
  const id = `warrentest-${randomBytes(3).toString('hex')}`
  const [up, net, plain] = [`${id}-up`, `${id}-net`, `${id}-plain`]
  const children: ChildProcess[] = []
  const events: FakeEvent[] = []
  const all = [addresses.allowed, addresses.listed, addresses.evil, addresses.resolver, addresses.metadata]
  const made = await runCommand(['sh', '-euc', script, 'fake', up, net, plain, addresses.host, addresses.ipv6], {
    timeoutMs: 20_000,
    input: [...all, '93.184.216.36', ...addresses.private].map((address) => `addr add ${address}/32 dev lo\n`).join(''),
  })
  const close = async () => {
    for (const child of children) child.kill('SIGKILL')
    for (const name of [up, net, plain]) await runCommand(['ip', 'netns', 'delete', name], { timeoutMs: 5000 })
  }
  if (!made.ok) {
    await close()
    throw new Error(`the fake internet ${made.failure}`)
  }
  for (const name of [net, up]) {
    const argv = ['netns', 'exec', name, process.execPath, servers, tcpPorts.join(), udpPorts.join()]
    const resolver = name === net ? addresses.resolver : addresses.host
    const child = spawn('ip', [...argv, JSON.stringify(zone), resolver, JSON.stringify(certified)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    await new Promise<void>((resolve) => {
      let text = ''
      child.stdout!.on('data', (chunk) => {
        const lines = (text + chunk).split('\n')
        text = lines.pop()!
        for (const line of lines) {
          const event = JSON.parse(line) as FakeEvent
          if (event.kind === 'ready') resolve()
          else events.push(event)
        }
      })
    })
  }
  const nft = async (name: string, ...argv: string[]) =>
    (await runCommand(['ip', 'netns', 'exec', name, 'nft', ...argv], { timeoutMs: 5000, keepBytes: 1e6 })).stdout
  return {
    uplink: `/run/netns/${up}`,
    events,
    async seen() {
      await sleep(20)
      const listed = await Promise.all([net, up].map((name) => nft(name, '-j', 'list', 'table', 'inet', 'fake')))
      return { arrivals: listed.flatMap(arrivalsOf), events: [...events] }
    },
    async forget() {
      // What is on its way still belongs to what was before.
      await sleep(150)
      for (const name of [net, up]) await nft(name, 'flush set inet fake seen; flush set inet fake seen6')
      events.length = 0
    },
    plain: (argv) => runCommand(['ip', 'netns', 'exec', plain, ...argv], { timeoutMs: 20_000 }),
    close,
  }
}

interface SetElement {
  elem?: { val: { concat: [string, string | number, number] } }
  concat?: [string, string | number, number]
}

function arrivalsOf(json: string): Arrival[] {
  const { nftables } = JSON.parse(json) as { nftables: { set?: { elem?: SetElement[] } }[] }
  return nftables
    .flatMap(({ set }) => set?.elem ?? [])
    .map((element) => element.elem?.val.concat ?? element.concat!)
    .map(([address, protocol, port]) => ({ address, protocol: String(protocol), port }))
}

/** sh -c SCRIPT NAME UP NET PLAIN HOST IPV6, with the servers' addresses as lines for ip on stdin. */
const script = `
up=$1 net=$2 plain=$3 host=$4 ipv6=$5
for name in $up $net $plain; do ip netns add $name; ip -n $name link set lo up; done
ip -n $net -batch -
ip -batch - <<END
link add up0 netns $net type veth peer name out0 netns $up
link add plain0 netns $net type veth peer name out0 netns $plain
END
ip -n $net -batch - <<END
addr add 203.0.113.1/30 dev up0
addr add 203.0.113.5/30 dev plain0
addr add fd77::1/64 dev plain0 nodad
addr add $ipv6/128 dev lo nodad
link set up0 up
link set plain0 up
route add $host/32 via 203.0.113.2
END
ip -n $up -batch - <<END
addr add 203.0.113.2/30 dev out0
addr add $host/32 dev lo
link set out0 up
route add default via 203.0.113.1
END
ip -n $plain -batch - <<END
addr add 203.0.113.6/30 dev out0
addr add fd77::2/64 dev out0 nodad
link set out0 up
route add default via 203.0.113.5
route add default via fd77::1
END
ip netns exec $net sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_broadcasts'
ip netns exec $plain sh -c 'echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range'
for name in $net $up; do
  ip netns exec $name nft -f - <<END
table inet fake {
  set seen { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 60000; }
  set seen6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 60000; }
  chain see {
    type filter hook prerouting priority raw; policy accept;
    iifname "lo" ip daddr != $host accept
    meta l4proto { tcp, udp, sctp, dccp, udplite } add @seen { ip daddr . meta l4proto . th dport } accept
    meta nfproto ipv4 add @seen { ip daddr . meta l4proto . 0 }
    meta l4proto { tcp, udp } add @seen6 { ip6 daddr . meta l4proto . th dport }
    meta l4proto icmpv6 icmpv6 type echo-request add @seen6 { ip6 daddr . meta l4proto . 0 }
  }
}
END
done
`
