import { readdir } from 'node:fs/promises'
import { step } from '../../lib/step.ts'
import { formatAddress, parseAddress } from './addresses.ts'
import { type Ground, namesFolder } from './ground.ts'
import { firstOuterAddress, inside, relayPort } from './messages.ts'
import { Shell } from './shell.ts'

/** Of the two ends of every sandbox's cable: the same everywhere, as the addresses are. */
export const hardwareInside = '02:00:00:00:00:02'
const hardware = { router: '02:00:00:00:00:01', inside: hardwareInside }

/**
 * The namespaces of one platform: a router, and one for each sandbox, joined to it by a cable. The router has no way out:
 * what arrives there reaches the gateway's sockets or nothing. All of it is found again by its name.
 */
export class SlotNamespaces {
  readonly #prefix: string
  readonly #ground: Ground
  /** What a caller waits for does not stand behind what is made ready. */
  readonly #shells: { now: Shell; ahead: Shell }

  /** `name` is the platform's own on this host. */
  constructor(name: string, ground: Ground) {
    this.#prefix = name
    this.#ground = ground
    const command = ground.command(['sh'])
    this.#shells = { now: new Shell(command), ahead: new Shell(command) }
  }

  get routerPath(): string {
    return `${this.#ground.folder}/${this.#prefix}`
  }

  path(slot: number): string {
    return `${this.#ground.folder}/${this.#prefix}-${slot}`
  }

  /** Makes the router, or makes it anew around `slots` that live, all of them open. */
  async openRouter(slots: readonly number[]): Promise<void> {
    await this.#run('router', routerScript, { arguments: [], ruleset: this.#ruleset(slots) })
  }

  async make(slots: readonly number[]): Promise<void> {
    await this.#run('make', `${insideScript}${makeScript}`, {
      arguments: slots.flatMap((slot) => [String(slot), outerAddress(slot)]),
      ruleset: '',
    })
  }

  /** Makes used ones as they were: a runtime may have taken the address for itself. */
  async renew(slots: readonly number[]): Promise<void> {
    await this.#run('renew', `${insideScript}${unjoinScript}${renewScript}`, {
      arguments: slots.flatMap((slot) => [String(slot), outerAddress(slot)]),
      ruleset: '',
    })
  }

  /** Lets the gateway decide about what comes from a slot. Else the kernel refuses it, as where nobody listens. */
  async open(slot: number): Promise<void> {
    await this.#nft('open', `add element inet ${tableOf(this.#prefix)} open { ${outerAddress(slot)} }`)
  }

  async shut(slot: number): Promise<void> {
    await this.#nft('shut', `delete element inet ${tableOf(this.#prefix)} open { ${outerAddress(slot)} }`)
  }

  async remove(slots: readonly number[]): Promise<void> {
    if (slots.length === 0) return
    await this.#run('remove', removeScript, {
      arguments: slots.flatMap((slot) => [String(slot), outerAddress(slot)]),
      ruleset: '',
    })
  }

  async removeRouter(): Promise<void> {
    await this.#run('removeRouter', 'ip netns delete "$name"', { arguments: [], ruleset: '' })
  }

  /** The numbers of all there are. */
  async list(): Promise<number[]> {
    const names = await readdir(this.#ground.folder).catch(() => [])
    return names
      .filter((name) => name.startsWith(`${this.#prefix}-`))
      .map((name) => Number(name.slice(this.#prefix.length + 1)))
      .filter(Number.isInteger)
  }

  /** Lets go of the shells. */
  async close(): Promise<void> {
    await Promise.all([this.#shells.now.close(), this.#shells.ahead.close()])
  }

  async #nft(verb: string, command: string): Promise<void> {
    const text = `nsenter "--net=${namesFolder}/${this.#prefix}" nft "$1"`
    const work = () => this.#shells.now.run({ text, arguments: [command] })
    await step(`network.${verb}`, command, work).catch(told)
  }

  async #run(verb: string, script: string, given: { arguments: string[]; ruleset: string }): Promise<void> {
    const names = [
      this.#prefix,
      tableOf(this.#prefix),
      hardware.router,
      hardware.inside,
      inside.address,
      inside.gateway,
    ]
    const whole = { text: `${preamble}${script}`, arguments: [...names, ...given.arguments], input: given.ruleset }
    await step(`network.${verb}`, given.arguments.join(' '), () => this.#shells.ahead.run(whole)).catch(told)
  }

  /**
   * What the router does with packets. A sandbox's cable says who sent them, whatever they claim; its address is written
   * into them here and taken out again on the way back. TCP of open slots goes to the gateway, whatever its destination;
   * DNS to the gateway's address; everything else, IPv6 too, nowhere. Replaced as a whole or not at all.
   */
  #ruleset(slots: readonly number[]): string {
    const elements = slots.map((slot) => `"s${slot}" : ${outerAddress(slot)}`)
    const table = `inet ${tableOf(this.#prefix)}`
    return `
table ${table}
delete table ${table}
table ${table} {
  map senders {
    type ifname : ipv4_addr
    ${elements.length > 0 ? `elements = { ${elements.join(', ')} }` : ''}
  }
  set open {
    type ipv4_addr
    ${slots.length > 0 ? `elements = { ${slots.map(outerAddress).join(', ')} }` : ''}
  }
  chain arrive {
    type filter hook prerouting priority raw; policy drop;
    iifname "lo" accept
    ip saddr != ${inside.address} drop
    ip saddr set iifname map @senders
    ip saddr ${inside.address} drop
    ip daddr ${inside.gateway} meta l4proto { tcp, udp } th dport 53 accept
    ip daddr ${inside.gateway} drop
    meta l4proto tcp accept
  }
  chain divert {
    type filter hook prerouting priority mangle; policy drop;
    iifname "lo" accept
    ip daddr ${inside.gateway} accept
    ip saddr @open meta l4proto tcp tproxy ip to :${relayPort} meta mark set 1 accept
    meta l4proto tcp reject with tcp reset
  }
  chain take {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    meta mark 1 accept
    ip daddr ${inside.gateway} meta l4proto { tcp, udp } th dport 53 accept
  }
  chain pass {
    type filter hook forward priority filter; policy drop;
  }
  chain leave {
    type filter hook postrouting priority 400; policy accept;
    oifname "s*" ip daddr set ${inside.address}
  }
}
`
  }
}

function told({ message }: Error): never {
  throw new Error(`the network of the sandboxes: ${message}`)
}

function outerAddress(slot: number): string {
  return formatAddress(parseAddress(firstOuterAddress)! + slot)
}

function tableOf(prefix: string): string {
  return prefix.replaceAll('-', '_')
}

/** Number of the group of cables that are about to be deleted. */
const doomed = 7072

const preamble = `
name=$1 table=$2 router=$3 hardware=$4 inside=$5 gateway=$6
shift 6
`

const routerScript = `
if ! ip netns pids "$name" >/dev/null 2>&1; then
  ip netns delete "$name" 2>/dev/null || true
  ip netns add "$name"
fi
ip -n "$name" -batch - <<END
link set lo up
addr replace $gateway/32 dev lo
route replace local 0.0.0.0/0 dev lo table 100
END
ip -n "$name" rule show | grep -q 'fwmark 0x1 lookup 100' || ip -n "$name" rule add fwmark 1 lookup 100
exec nsenter "--net=/run/netns/$name" nft -f -
`

/** What is inside of one slot. */
const insideScript = `
configure() {
  nsenter "--net=/run/netns/$name-$1" sh -euc '
    echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
    ip -batch -
  ' <<END
link set lo up
link set eth0 addrgenmode none
link set eth0 up
addr replace $inside/30 dev eth0
route replace default via $gateway
END
}
`

/** What joined a machine to it, and is of no use without it. */
const unjoinScript = `
unjoin() {
  nsenter "--net=/run/netns/$name-$1" sh -uc '
    while read -r device _; do
      if [ "$device" = vm0: ]; then ip link delete vm0; fi
    done < /proc/net/dev
    exec tc qdisc delete dev eth0 clsact
  ' 2>/dev/null || true
}
`

/** SLOT ADDRESS… What is added first can be deleted whether it was there or not. */
const renewScript = `
addresses=
while [ $# -gt 0 ]; do
  unjoin "$1"
  configure "$1"
  addresses="$addresses $2,"
  shift 2
done
exec nsenter "--net=/run/netns/$name" nft "add element inet $table open { \${addresses%,} }; delete element inet $table open { \${addresses%,} }"
`

/** SLOT ADDRESS… */
const makeScript = `
numbers= cables= routes= senders=
while [ $# -gt 0 ]; do
  slot=$1 address=$2
  shift 2
  numbers="$numbers $slot"
  cables="$cables
netns add $name-$slot
link add s$slot address $router netns $name type veth peer name eth0 address $hardware netns $name-$slot"
  routes="$routes
link set s$slot addrgenmode none
link set s$slot up
route replace $address/32 dev s$slot
neigh replace $address lladdr $hardware dev s$slot nud permanent"
  senders="$senders \\"s$slot\\" : $address,"
done
echo "$cables" | ip -batch -
echo "$routes" | ip -n "$name" -batch -
for slot in $numbers; do configure "$slot"; done
exec nsenter "--net=/run/netns/$name" nft "add element inet $table senders { \${senders%,} }"
`

/**
 * SLOT ADDRESS… What is gone already is what was wanted. The kernel takes its time for each cable that is deleted by itself, and
 * as much for a group of them.
 */
const removeScript = `
senders= names= addresses= cables= slots=
while [ $# -gt 0 ]; do
  senders="$senders \\"s$1\\" : $2," names="$names \\"s$1\\"," addresses="$addresses $2," slots="$slots $1"
  cables="$cables
link set s$1 group ${doomed}"
  shift 2
done
# What is added first can be deleted whether it was there or not.
forget() {
  nsenter "--net=/run/netns/$name" nft "add element inet $table $1 { $2 }; delete element inet $table $1 { $3 }" || true
}
forget senders "\${senders%,}" "\${names%,}" 2>/dev/null
forget open "\${addresses%,}" "\${addresses%,}" 2>/dev/null
echo "$cables" | ip -n "$name" -force -batch - 2>/dev/null || true
ip -n "$name" link delete group ${doomed} 2>/dev/null || true
for slot in $slots; do
  ip netns delete "$name-$slot" 2>/dev/null || [ ! -e "/run/netns/$name-$slot" ]
done
`
