// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { stageOf } from '../../../bench/report/stages.js';

const write = ['tun_chr_write_iter', 'vfs_write', 'ksys_write', 'do_syscall_64', 'write', '[unknown]'];

describe('the stage of a call chain', () => {
  it.each([
    ['the program itself', ['step_burst', 'run', 'start_thread']],
    [
      'out of the device: queue, copy, free',
      ['rep_movs_alternative', 'tun_do_read', 'vfs_read', 'do_syscall_64'],
    ],
    ['system call: entry, exit, file', ['do_syscall_64', 'entry_SYSCALL_64_after_hwframe', 'read']],
    ['into the stack: read of the bytes, buffer, checksum', ['__alloc_skb', 'tun_get_user', ...write]],
    [
      'routing and forwarding',
      ['fib_table_lookup', 'ip_route_input_slow', 'ip_rcv', 'tun_get_user', ...write],
    ],
    [
      'next link: device, queue, veth',
      ['veth_xmit', 'dev_hard_start_xmit', 'ip_output', 'tun_get_user', ...write],
    ],
    [
      "delivery to the receiver's socket",
      ['sock_def_readable', 'udp_queue_rcv_skb', 'process_backlog', ...write],
    ],
    ['netfilter', ['nft_do_chain', 'nf_hook_slow', 'ip_rcv', 'tun_get_user', ...write]],
    ['waiting and waking', ['__schedule', 'schedule', 'do_sys_poll', 'do_syscall_64', 'poll']],
  ])('is "%s" by its innermost frame that says anything', (stage, chain) => {
    expect(stageOf(chain)).toBe(stage);
  });
});
