// SPDX-License-Identifier: Apache-2.0
/** Every scenario there is. */
import type { Topic } from './scenario.js';
import { defences } from './scenarios/defences.js';
import { fragments } from './scenarios/fragments.js';
import { ftp } from './scenarios/ftp.js';
import { generated } from './scenarios/generated.js';
import { hops } from './scenarios/hops.js';
import { hostErrors } from './scenarios/host-errors.js';
import { icmp } from './scenarios/icmp.js';
import { onePacket } from './scenarios/one-packet.js';
import { marks, persistence } from './scenarios/persistence.js';
import { picks } from './scenarios/picks.js';
import { reuse } from './scenarios/reuse.js';
import { schedulers } from './scenarios/schedulers.js';
import { sctp } from './scenarios/sctp.js';
import { servers } from './scenarios/servers.js';
import { sharing } from './scenarios/sharing.js';
import { sip } from './scenarios/sip.js';
import { sysctls } from './scenarios/sysctls.js';
import { tcp } from './scenarios/tcp.js';
import { timeouts } from './scenarios/timeouts.js';
import { udp } from './scenarios/udp.js';
import { unknown } from './scenarios/unknown.js';

export const topics: readonly Topic[] = [
  tcp,
  udp,
  icmp,
  hops,
  unknown,
  schedulers,
  picks,
  servers,
  reuse,
  sharing,
  persistence,
  marks,
  onePacket,
  sip,
  sctp,
  fragments,
  hostErrors,
  sysctls,
  defences,
  timeouts,
  ftp,
  generated,
];
