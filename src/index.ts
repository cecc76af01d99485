// SPDX-License-Identifier: Apache-2.0
/**
 * The library: the daemon's director without its sockets, commands and files. What is exported here is a promise; the
 * rest of the package may change at any time.
 */
export { Director, MemoryDirector } from './director/director.js';
export type {
  Configuration,
  DirectorParts,
  HostPlumbing,
  MemoryDirectorOptions,
  TunDirectorOptions,
} from './director/director.js';
export { describeChange, diffModels, type Change } from './director/diff.js';
export { type DefenceState, type MemoryWatch } from './director/defence.js';
export type { ConnectionPage, ConnectionRow, ServerReport, ServiceReport } from './director/report.js';

export {
  ConfigError,
  loadConfig,
  parseConfig,
  type Config,
  type ConfigOptions,
  type Problem,
} from './config/index.js';
export { realServer, virtualService } from './model/index.js';
export type {
  BoundedPlan,
  CyclePlan,
  Endpoint,
  FirstPlan,
  HashPlan,
  LeastPlan,
  Listen,
  LocalPlan,
  Model,
  Persistence,
  Plan,
  RealServer,
  RealServerOptions,
  SchedulerFlag,
  SchedulerName,
  Timeouts,
  IpvsSettings,
  Sysctls,
  VirtualService,
  VirtualServiceOptions,
} from './model/index.js';

export type {
  Counters,
  Dataplane,
  DeviceFacts,
  FlowTableCounters,
  QueueCounters,
  ServerCounters,
  ServiceCounters,
} from './dataplane/dataplane.js';
export { latencyBounds, type Histogram, type ServerSignals } from './dataplane/signals.js';
export type { MemoryPacket, OutputPacket, PacketEngine, ProcessedPacket } from './dataplane/packet-engine.js';
export {
  attachStream,
  openTuntap2,
  type AttachedStream,
  type AttachOptions,
  type PacketStream,
  type StreamCounters,
  type Tuntap2Device,
} from './dataplane/packet-stream.js';

export type { CheckedState, CheckReport, CheckTarget, CustomCheck, Verdict } from './health/index.js';
export type { CheckTiming, HealthCheck, Question } from './model/index.js';

export { errorCodes, exitCodeFor, exitCodes, VsnatError, type ErrorCode } from './errors.js';
