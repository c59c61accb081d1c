import net from 'node:net'
import { notThere, probing } from '../attempts.ts'
import type { Case, Finding } from '../case.ts'
import { probeBinary } from '../place.ts'
import type { World } from '../world.ts'

/** Kinds of sockets that reach past the network into the kernel: family, type, protocol. */
const sockets: Record<string, [family: number, type: number, protocol: number]> = {
  packets: [17, 3, 768],
  packet_datagrams: [17, 2, 768],
  old_packets: [2, 10, 768],
  raw_icmp: [2, 3, 1],
  raw_icmp6: [10, 3, 58],
  raw_ip: [2, 3, 255],
  raw_tcp: [2, 3, 6],
  kernel_crypto: [38, 5, 0],
  virtual_machine_host: [40, 1, 0],
  express_data_path: [44, 3, 0],
  netlink_firewall: [16, 3, 12],
  netlink_socket_diagnosis: [16, 3, 4],
  netlink_devices: [16, 3, 15],
  netlink_audit: [16, 3, 9],
  netlink_ipsec: [16, 3, 6],
  netlink_generic: [16, 3, 16],
  netlink_connector: [16, 3, 11],
}

/** Ways to a service that listens on the host's loopback alone. */
const loopbacks: Record<string, string> = {
  version4: '127.0.0.1',
  version6: '::1',
  mapped: '::ffff:127.0.0.1',
  unspecified: '0.0.0.0',
}

/** Addresses that are nobody's business from a sandbox, whatever its policy. */
const ranges: Record<string, string> = {
  metadata: '169.254.169.254',
  metadata_mapped: '::ffff:169.254.169.254',
  metadata_version6: 'fd00:ec2::254',
  link_local: '169.254.1.1',
  private_10: '10.0.0.1',
  private_172: '172.16.0.1',
  private_192: '192.168.0.1',
  shared_100: '100.64.0.1',
  unique_local: 'fd12:3456:789a::1',
  benchmark_198: '198.18.0.1',
}

/** What can be reached from a sandbox, with a loopback only or with a network of its own. */
export const network: Case[] = [
  ...Object.entries(sockets).map(([name, numbers]) =>
    probing(`network.socket_${name}`, ['socket', ...numbers.map(String)], {
      absent: [...notThere, 'EINVAL'],
      ownKernel: true,
    }),
  ),
  ...Object.entries(loopbacks).map(([name, address]) =>
    probing(`network.host_loopback_${name}`, ({ port, token }) => ['connect', address, String(port), token], {
      absent: ['EADDRNOTAVAIL', 'ENETUNREACH', 'EAFNOSUPPORT'],
    }),
  ),
  probing('network.host_socket_by_path', ({ unixSocket, token }) => ['connect-unix', unixSocket, token]),
  probing('network.host_socket_by_abstract_name', ({ abstractSocket, token }) => [
    'connect-unix',
    abstractSocket,
    token,
  ]),
  ...Object.entries(ranges).map(
    ([name, address]): Case => ({
      ...probing(`network.range_${name}`, ({ token }) => ['connect', address, '80', token]),
      control: (world) => inNetworkOfEverything(world, address),
    }),
  ),
  {
    id: 'network.gateway_services',
    // The host's own end of a sandbox's network, if it has one.
    run: async (place, { token }) => {
      const cell = await place.main()
      const gateway = gatewayOf(await cell.sh('cat /proc/net/route 2>/dev/null'))
      if (!gateway) return { open: false, saw: 'it has no gateway' }
      const server = net.createServer((socket) => void socket.on('error', () => {}).end(token))
      const port = await new Promise<number>((resolve) => {
        server.once('error', () => resolve(0)) // not an address of this host
        server.listen(0, gateway, () => resolve((server.address() as net.AddressInfo).port))
      })
      try {
        return port ? await cell.probe(['connect', gateway, String(port), token]) : { open: false, saw: 'not the host' }
      } finally {
        server.close()
      }
    },
    control: ({ control, port, token }) =>
      control.main().then((cell) => cell.probe(['connect', '127.0.0.1', String(port), token])),
  },
]

/** A network namespace of the attempt's own, in which every address is a local one and somebody listens. */
function inNetworkOfEverything({ onHost, token, folder }: World, address: string): Promise<Finding> {
  const ready = `${folder}/ready-${address.replace(/\W/g, '-')}`
  const script = `
ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo
"${probeBinary}" listen 80 ${token} 20 > ${ready} &
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q ready ${ready} && break; sleep 0.1; done
"$@"
kill $!`
  return onHost(['connect', address, '80', token], { before: ['unshare', '--net', 'sh', '-c', script, 'sh'] })
}

/** The default gateway of version 4 in /proc/net/route, where addresses are little-endian and in hexadecimal. */
function gatewayOf(routes: string): string | undefined {
  const row = routes
    .split('\n')
    .map((line) => line.split('\t'))
    .find(([, to, by]) => to === '00000000' && by !== '00000000')
  return row?.[2]
    ?.match(/../g)
    ?.reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join('.')
}
