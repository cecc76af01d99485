// SPDX-License-Identifier: Apache-2.0
/** Which part of a packet's way a call chain is in: by names of the kernel's functions, the innermost that says anything. */

const stages: readonly (readonly [string, RegExp])[] = [
  [
    "delivery to the receiver's socket",
    /^(udp_(queue_)?rcv|__udp4_lib_rcv|udp6?_.*rcv|tcp_v[46]_rcv|ip_local_deliver|ip_protocol_deliver|__udp6_lib_rcv)/,
  ],
  ['netfilter', /^(nf_|nft_|ipt_)/],
  [
    'routing and forwarding',
    /^(ip_rcv|ip_list_rcv|ip_sublist|ip_forward|ip6_forward|ipv6_rcv|ip6_rcv|fib_|ip_route_|ip_finish_output|ip_output|neigh_|ip_send_check)/,
  ],
  [
    'next link: device, queue, veth',
    /^(dev_hard_start_xmit|__dev_queue_xmit|veth_|process_backlog|net_rx_action|__netif_rx|netif_rx|dev_forward|sch_direct)/,
  ],
  [
    'into the stack: read of the bytes, buffer, checksum',
    /^(tun_get_user|tun_build_skb|tun_alloc_skb|packet_snd|packet_sendmsg|tpacket_)/,
  ],
  ['out of the device: queue, copy, free', /^(tun_do_read|tun_ring_recv|tun_put_user|tun_chr_read)/],
  [
    'waiting and waking',
    /^(do_sys_poll|do_poll|tun_chr_poll|schedule|__schedule|try_to_wake_up|finish_task_switch|futex_|do_epoll)/,
  ],
  [
    'system call: entry, exit, file',
    /^(do_syscall_64|entry_SYSCALL|syscall_|vfs_|ksys_|__x64_sys|__se_sys|__do_sys|new_sync|sock_(sendmsg|recvmsg|write_iter|read_iter)|____sys|___sys|__sys)/,
  ],
];

/** Frames from the innermost outwards. */
export function stageOf(chain: readonly string[]): string {
  for (const frame of chain) {
    const found = stages.find(([, names]) => names.test(frame));
    if (found !== undefined) return found[0];
  }
  // No kernel function says what it is about: interrupts among them, but mostly the program itself.
  return /^(asm_|sysvec|irq|__irq|handle_softirqs|exc_)/.test(chain[0] ?? '')
    ? 'interrupts'
    : 'the program itself';
}
