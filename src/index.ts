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
  loadConfigWithModules,
  parseConfig,
  type Config,
  type ConfigOptions,
  type Problem,
} from './config/index.js';
export { realServer, schedulerProgram, virtualService } from './model/index.js';
export { boundedHash, type BoundedHashOptions } from './scheduler/bounded-hash.js';
export { peakEwma, type PeakEwmaOptions } from './scheduler/peak-ewma.js';
export { SchedulerModules, type LoadedModule } from './modules/scheduler-modules.js';
export {
  simulate,
  type SimulatedServer,
  type SimulateOptions,
  type Simulation,
} from './simulator/simulate.js';
export { generateTrace, parseTrace, type TraceConnection, type TraceOptions } from './simulator/trace.js';
export { ManualClock } from './director/manual-clock.js';
export type { Clock } from './health/clock.js';
export type {
  BoundedPlan,
  CustomScheduler,
  CyclePlan,
  Endpoint,
  FirstPlan,
  HashPlan,
  Latency,
  LeastPlan,
  Listen,
  LocalPlan,
  Model,
  Past,
  Persistence,
  Plan,
  PlanContext,
  RealServer,
  RealServerOptions,
  SchedulerFlag,
  SchedulerName,
  SchedulerProgram,
  SchedulerServer,
  ServerLoad,
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
