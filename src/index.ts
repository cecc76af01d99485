// SPDX-License-Identifier: Apache-2.0
/**
 * The library: the daemon's director without its sockets, commands and files. What is exported here is a promise
 * (docs/library.md, "What is stable"); the rest of the package may change at any time. test/rules/public-api.test.ts has
 * the list, and sees to it that every type a signature names can be imported.
 */

// A director, what it is told and what it tells.
export { Director, MemoryDirector } from './director/director.js';
export type {
  Configuration,
  MemoryDirectorOptions,
  TunDirectorOptions,
} from './director/director-options.js';
export { describeChange, diffModels, type Change } from './director/diff.js';
export type { DefenceName, DefenceState } from './director/defence.js';
export type { EgressState, IngressState } from './director/ways.js';
export type {
  DirectorEvent,
  EventKind,
  EventListener,
  EventPage,
  Events,
  NewEvent,
} from './director/events.js';
export type { Explanation, Tuple } from './director/explain.js';
export type { ConnectionSelection } from './director/connection-selection.js';
export type {
  ConnectionPage,
  ConnectionRow,
  ServerReport,
  ServiceReport,
  StandingReport,
} from './director/report.js';
export type { Health, Place } from './director/standing.js';
export type { HostLog } from './host/index.js';

// Configuration: as YAML, as a model, from code.
export { ConfigError, loadConfig, loadConfigWithModules, parseConfig } from './config/index.js';
export type {
  Config,
  ConfigOptions,
  Environment,
  HostNetwork,
  HostPrefix,
  LoadedScheduler,
  Problem,
  SchedulerSource,
} from './config/index.js';
export { endpoint, formatEndpoint, realServer, schedulerProgram, virtualService } from './model/index.js';
export type {
  AdminSettings,
  AdminTls,
  CheckKind,
  CheckTiming,
  ClientNetwork,
  DnsRecordType,
  DrainPolicy,
  Endpoint,
  HealthCheck,
  HelperName,
  IpAddress,
  IpvsSettings,
  Listen,
  LogLevel,
  MarkRule,
  MetricsSettings,
  Mistake,
  Good,
  Model,
  Parsed,
  Persistence,
  PersistenceEngine,
  Protocol,
  Question,
  Quorum,
  RealServer,
  RealServerOptions,
  SchedulerFlag,
  SchedulerName,
  SlowStart,
  StatusRange,
  SysctlName,
  Sysctls,
  Timeouts,
  TlsOptions,
  TunSettings,
  VirtualService,
  VirtualServiceOptions,
  WaySetting,
  Weight,
} from './model/index.js';

// Schedulers: of one's own, those that IPVS lacks, and modules of either.
export type {
  BoundedPlan,
  CustomScheduler,
  CyclePlan,
  FirstPlan,
  HashPlan,
  Latency,
  LeastPlan,
  LocalPlan,
  Past,
  Plan,
  PlanContext,
  PlanFailureReason,
  PlanFailures,
  SchedulerProgram,
  SchedulerServer,
  ServerIndex,
  ServerLoad,
} from './model/index.js';
export { boundedHash, type BoundedHashOptions } from './scheduler/bounded-hash.js';
export { peakEwma, type PeakEwmaOptions } from './scheduler/peak-ewma.js';
export { SchedulerModules, type LoadedModule, type ThreadLimits } from './modules/scheduler-modules.js';
export {
  simulate,
  type SimulatedServer,
  type SimulateOptions,
  type Simulation,
} from './simulator/simulate.js';
export { generateTrace, parseTrace, type TraceConnection, type TraceOptions } from './simulator/trace.js';
export { traceOfCapture, type CapturedTrace } from './simulator/capture-trace.js';

// Time and packets, for tests.
export { ManualClock } from './director/manual-clock.js';
export type { Clock } from './health/clock.js';
export { tcpPacket, udpPacket, type TcpOptions } from './packet/build.js';
export { readPacket, type PacketFacts } from './packet/read.js';
export type { TcpFlag } from './packet/wire.js';
export type { MemoryPacket, OutputPacket, ProcessedPacket } from './dataplane/packet-engine.js';
export { openTuntap2, type Tuntap2Device, type Tuntap2Options } from './dataplane/tuntap2.js';
export type {
  AttachedStream,
  AttachOptions,
  PacketStream,
  StreamCounters,
} from './dataplane/packet-stream.js';

// Numbers of the dataplane.
export type {
  Counters,
  CountersPart,
  DeviceFacts,
  Ending,
  FlowRow,
  CheckCounters,
  FlowTableCounters,
  ListenSpec,
  ProtocolName,
  QueueCounters,
  ServerCounters,
  ServerTotals,
  ServiceCounters,
} from './dataplane/dataplane.js';
export { latencyBounds, type Histogram, type ServerSignals } from './dataplane/signals.js';

// Health checks of one's own, and what checks say.
export type {
  CheckedState,
  CheckReport,
  CheckState,
  CheckTarget,
  CustomCheck,
  BadReason,
  FailureReason,
  SkippedReason,
  Verdict,
} from './health/index.js';

// Errors.
export { errorCodes, VsnatError, type ErrorCode } from './errors.js';
export { ChangeRefused, type RefusalReason } from './director/change-refused.js';
