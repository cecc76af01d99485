// SPDX-License-Identifier: Apache-2.0
//
// The dataplane as one object: memory, tables, snapshots, workers. Control thread only, but for what workers
// touch through pointers handed to them.
//
// Snapshots: publish() builds the next one completely, offers it to every worker, waits until all of them
// have adopted it and frees the one before; a worker adopts between bursts, so this takes microseconds. A
// worker that does not come by within a second (a stopped process, a debugger) is not waited for: the old
// snapshot then stays until a later publish finds it unused.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/flow_rows.h"
#include "engine/kernel_maps.h"
#include "engine/worker.h"
#include "nat/health_check.h"

namespace vsnat::engine {

enum class SteeringChoice : uint8_t { automatic, off, random };
/** How packets cross the device: by io_uring where that can be had, only so, or by read and write. */
enum class IoChoice : uint8_t { automatic, uring, poll };
enum class SteeringInUse : uint8_t { none, client_endpoint, random };

struct EngineOptions {
  uint32_t flow_capacity = 262144;
  service::Limits limits{131072, 16384};
  std::optional<HashKey> hash_key;  // random when absent
};

struct TunOptions {
  std::string name;
  unsigned queues = 1;
  io::Offload offload = io::Offload::automatic;
  SteeringChoice steering = SteeringChoice::automatic;
  /** Make ready for set_direct(). Where the kernel refuses, direct_refusal() says why, and all else works. */
  bool egress = false;
  /** Make ready for take_directly(); ingress_refusal() says why not. */
  bool ingress = false;
  /** With both of them, while both are direct: flows that carry much take shortcuts (flow/shortcut.h). */
  bool shortcuts = false;
  IoChoice io = IoChoice::automatic;
};

/** What a memory device takes and gives. */
struct MemoryPacket {
  std::vector<uint8_t> bytes;
  wire::vnet_hdr vnet;
};

class Engine {
 public:
  /** A device of vectors: no root, no threads; process() runs packets on the caller's thread. */
  static Result<std::unique_ptr<Engine>> open_memory(const EngineOptions& options);
  /** A TUN device with its queues, not yet running. */
  static Result<std::unique_ptr<Engine>> open_tun(const EngineOptions& options, const TunOptions& tun);
  /** Queues somebody else opened: tests give sockets that keep packet boundaries, as a TUN does. */
  static Result<std::unique_ptr<Engine>> open_queues(const EngineOptions& options, io::OpenedTun opened,
                                                     IoChoice io = IoChoice::poll);
  ~Engine();

  /** Empty when published, else what is wrong with the spec; then nothing changed. */
  std::string publish(const service::SnapshotSpec& spec);
  /** The same for what differs from the snapshot in use. */
  std::string update(const service::SnapshotSpec& changes);
  /** What the defences are to do from now on; every worker sees it with its next packet. */
  void set_defence(const nat::DefenceSpec& spec) { defence_.set(spec); }
  /** Whether packets may leave as frames (engine/egress.h). Has no effect where egress was not opened. */
  void set_direct(bool on);
  /** Whether flows get shortcuts while both ways are direct. */
  bool can_have_shortcuts() const { return shortcuts_ != nullptr; }
  /** Connections that have one. */
  uint32_t shortcut_count() const;
  /** Counters are up to date afterwards: what went through shortcuts is otherwise booked once a second. */
  void book_shortcuts();
  bool can_direct() const { return resolver_ != nullptr; }
  /** Why frames cannot be sent, or empty. */
  const std::string& direct_refusal() const { return direct_refusal_; }
  /** Takes packets straight from these interfaces (io/ingress.h) and from no others; how many refused. */
  size_t take_directly(std::span<const unsigned> interfaces);
  bool can_take_directly() { return kernel_maps_.ingress() != nullptr; }
  const std::string& ingress_refusal() const { return ingress_refusal_; }
  /** Packets that were taken so. */
  uint64_t taken_directly();
  /** Whether packets cross by io_uring; if not, why: empty when nobody wanted it. */
  bool uses_uring() const { return uses_uring_; }
  const std::string& uring_refusal() const { return uring_refusal_; }
  const Resolver* resolver() const { return resolver_.get(); }
  /** CPU time of the queue's thread; 0 of a memory device, which has none. */
  uint64_t cpu_ns(size_t queue) const { return queue < workers_.size() ? workers_[queue]->cpu_ns() : 0; }
  /** null: the queue never opened its egress. */
  const EgressCounters* egress_counters(size_t queue) const {
    return queue < workers_.size() ? workers_[queue]->egress_counters() : nullptr;
  }
  /**
   * Has connections ended by whoever moves packets. False while the last such order is being obeyed. Without threads they
   * are when it returns, and what was said to their ends is with the next packets that leave (process()).
   */
  bool end_flows(const nat::EndSpec& spec);
  /**
   * A connection of a health check from this port of a check source is led to this server of this service, from now until
   * end_check(). False when the port is in use.
   */
  bool lead_check(uint16_t source_port, nat::CheckPorts::Lead to) {
    return check_ports_.open(source_port, to);
  }
  /** Forgets the connection, if there was one, and frees its port. */
  void end_check(const nat::CheckEnds& ends);

  bool has_ended_flows() const { return end_order_.done(); }
  uint64_t flows_ended() const { return end_order_.ended(); }

  /** Of the last publish: from the moment the first lane was told until all worked with it, or a second was over. */
  uint64_t swap_ns() const { return swap_ns_; }
  uint64_t generation() const { return current_ ? current_->generation : 0; }

  /** Start a thread per queue, all or none. */
  Result<bool> start();
  void stop();

  /** Memory device: one packet in; out comes what leaves, its own self first. */
  nat::Outcome process(MemoryPacket& packet, Now now, std::vector<MemoryPacket>& out);
  /** Memory device: remove what has expired, and once a second of `now` what drop_entry comes upon. */
  void expire(Now now);

  /** 0, or the errno that ended a worker. */
  int failure() const;

  const io::TunFacts& facts() const { return facts_; }
  SteeringInUse steering() const { return steering_in_use_; }
  size_t queue_count() const { return lanes_.size(); }
  Lane& lane(size_t queue) { return *lanes_[queue]; }
  uint64_t adopted_generation(size_t queue) const;
  const service::Snapshot* current() const { return current_.get(); }
  const service::ServerLoad& load(uint32_t slot) const { return loads_[slot]; }
  service::Limits limits() const { return options_.limits; }
  flow::TableStats table_stats() const;
  uint64_t template_count() const;

  /** Rows from `cursor` on, looking at up to `limit` records; returns the next cursor or kWalkEnd. */
  uint64_t walk(uint64_t cursor, uint32_t limit, Now now, std::vector<FlowRow>& rows) {
    return walk_flows(tables_, cursor, limit, now, rows);
  }

  static Now monotonic_now();

 private:
  explicit Engine(const EngineOptions& options);
  Result<bool> map_tables(flow::Sharing sharing);
  Result<bool> keep_words_for(const service::Snapshot& next);
  /** Each lane draws from a sequence of its own, which the hash key fixes. */
  void add_lane(Lane& lane);
  void steer(const TunOptions& tun);
  Result<bool> open_egress();
  void open_ingress(uint32_t shortcuts);
  void open_shortcuts();
  std::string adopt(service::Snapshot::Built built);
  bool all_adopted(uint64_t generation) const;

  EngineOptions options_;
  HashKey key_;
  io::TunFacts facts_;
  SteeringInUse steering_in_use_ = SteeringInUse::none;
  KernelMaps kernel_maps_;

  // Before the workers, so that it goes after them.
  Mapping memory4_, memory6_, template_memory4_, template_memory6_, fragment_memory_, ftp_memory_;
  Mapping words4_, words6_;  // of templates; empty until a service wants them

  nat::FlowTables tables_;
  nat::Fragments fragments_;
  nat::FtpState ftp_;
  std::unique_ptr<service::ServerLoad[]> loads_;
  nat::Defence defence_;
  nat::CheckPorts check_ports_;
  EndOrder end_order_;
  uint64_t next_generation_ = 1;
  uint64_t swap_ns_ = 0;
  std::unique_ptr<service::Snapshot> current_;
  std::vector<std::unique_ptr<service::Snapshot>> retired_;

  // Destroyed first: workers are joined before anything they point to goes away.
  std::unique_ptr<Lane> memory_lane_;
  Culler memory_culler_{0, 1};
  Ender memory_ender_{0, 1};
  std::vector<MemoryPacket> memory_goodbyes_;
  Now memory_now_;  // of the last call
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<flow::Shortcuts> shortcuts_;  // in memory of kernel_maps_
  std::string direct_refusal_, ingress_refusal_;
  bool uses_uring_ = false;
  std::string uring_refusal_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Lane*> lanes_;
};

}  // namespace vsnat::engine
