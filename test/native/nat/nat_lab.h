// SPDX-License-Identifier: Apache-2.0
//
// A director of one queue on a test's own memory and clock. Every packet sent through it is checked four ways: the
// verdict, the bytes, the checksums by the slow reference, and that nothing was lost (rx + released = forwarded + passed +
// sum of dropped + held, tx = forwarded + passed + sum of generated).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "nat/end.h"
#include "nat/step.h"
#include "test/native/flow/table_lab.h"
#include "test/native/support/reference.h"
#include "test/native/support/services.h"

namespace vsnat::test {

/** What became of one packet. */
struct Result {
  nat::Outcome outcome;
  Packet packet;                 // what leaves, if anything does
  std::vector<Result> released;  // pieces that had waited for it, and pieces that had to make room

  bool forwarded() const { return outcome.verdict == nat::Verdict::forward; }
  bool passed() const { return outcome.verdict == nat::Verdict::pass; }
  bool answered() const { return outcome.verdict == nat::Verdict::answer; }
  bool held() const { return outcome.verdict == nat::Verdict::held; }
};

class NatLab {
 public:
  /**
   * Two services per family on the documentation VIP: TCP port 80 and UDP port 53, with three real servers each
   * (10.0.0.1..3, 2001:db8:1::1..3, ports 8080 and 5353) picked in turn, and a second VIP (.11, ::81) that shares
   * the TCP servers. And SCTP port 2905 of the first VIP, on the servers' port 12905.
   */
  explicit NatLab(uint32_t capacity = 64);

  Result send(const Packet& packet);
  Result send(const PacketBuilder& builder) { return send(builder.build()); }
  /** Sends and expects this drop (or answer) reason. */
  Result refused(const PacketBuilder& builder, DropReason reason);
  /** Sends and expects it back as it came, with one hop left: for this host or for nobody. */
  Result given_to_host(const PacketBuilder& builder);

  void publish();
  /** Remove what has expired, everywhere, held pieces included. */
  void expire();
  /** Ends flows; what is said to their ends. */
  std::vector<Packet> end(const nat::EndSpec& spec);
  void advance_seconds(uint32_t seconds) { now.ms += uint64_t(seconds) * 1000; }

  uint64_t templates() { return templates4_.table.stats().flows + templates6_.table.stats().flows; }
  uint32_t persistent(uint32_t slot) const { return loads[slot].persistent; }
  /** The template that remembers this server, "NONE 360 1" (state, seconds left, children); "-" without one. */
  std::string template_of(uint32_t slot);

  uint64_t flows() { return v4_.table.stats().flows + v6_.table.stats().flows; }
  uint32_t active(uint32_t slot) const { return loads[slot].active; }
  uint32_t inactive(uint32_t slot) const { return loads[slot].inactive; }
  /** The flow of a request, in whichever state; null when there is none. */
  template <class Addr>
  flow::Flow<Addr>* flow_of(uint8_t protocol, const Endpoint& client, const Endpoint& virt) {
    auto& table = tables->of<Addr>();
    const auto address = client.address.as<Addr>();
    const auto port = wire::be16::from_host(client.port);
    return table.find_request(table.hash(protocol, address, port), protocol, address, port,
                              virt.address.as<Addr>(), wire::be16::from_host(virt.port));
  }
  /** Name of its state, "-" without a flow. */
  std::string state(int family, uint8_t protocol = 6);

  /** What the flows and templates of both families lie in, locks and all. */
  std::array<std::span<const std::byte>, 4> table_memory();

  /** What its packets touch. */
  nat::Core core();

  /** Both conservation equations, loads that add up to the flows, and templates with as many children as there are. */
  void check_books();

  service::SnapshotSpec spec;
  Now now{1'000'000'000};
  std::array<service::ServerLoad, 65> loads;  // kTestLimits.counted_slots()
  nat::Tally tally{65, 16};
  nat::CheckPorts check_ports;
  nat::AnswerBudget budget;
  nat::Fragments fragments;
  Mapping fragment_memory;
  nat::Defence defence;
  nat::FtpState ftp;
  std::unique_ptr<nat::FlowTables> tables = std::make_unique<nat::FlowTables>();
  std::unique_ptr<service::Snapshot> snapshot;
  /** Of flows that have one; none by itself. */
  flow::Shortcuts* shortcuts = nullptr;

  uint64_t rx = 0, tx = 0, forwarded = 0, passed = 0, held = 0, released = 0;
  std::array<uint64_t, kDropReasonCount> dropped{};
  std::array<uint64_t, kGeneratedCount> generated{};

 private:
  void enter(const nat::Outcome& outcome);
  /** What leaves, checked. */
  Packet leaving(const nat::Packet& native);

  Lab<wire::Addr4> v4_, templates4_;
  Lab<wire::Addr6> v6_, templates6_;
  std::vector<std::byte> words4_, words6_;
  static constexpr uint16_t kFtpRecords = 4;
  alignas(nat::FtpRecord) std::byte ftp_memory_[kFtpRecords * (sizeof(nat::FtpRecord) + 2)]{};
  uint64_t generation_ = 0;
};

inline constexpr uint8_t kTcp = 6, kUdp = 17, kSctp = 132;

Endpoint other_virtual_endpoint(int family);  // 192.0.2.11:80
Endpoint dns_endpoint(int family);            // 192.0.2.10:53
Endpoint web_server(int family, int n);       // the n-th of 0..2, port 8080
Endpoint dns_server(int family, int n);       // port 5353
Endpoint sctp_endpoint(int family);           // 192.0.2.10:2905
Endpoint sctp_server(int family, int n);      // port 12905
Endpoint endpoint_of(const Packet& packet, bool destination);

/** client -> VIP. */
inline PacketBuilder to_vip(int family, uint8_t flags) {
  return tcp(family).flags(flags);
}
/** real server 0 -> client. */
inline PacketBuilder from_server(int family, uint8_t flags, int n = 0) {
  return tcp(family).flags(flags).from(web_server(family, n)).to(client_endpoint(family));
}

/** Three segments of client and server 0; afterwards both have sent up to their `next` number. */
struct Handshake {
  static constexpr uint32_t kClientNext = 1001, kServerNext = 5001;
  /** The number of the server that was picked. */
  static int open(NatLab& lab, int family, Endpoint client, Endpoint virt);
  static int open(NatLab& lab, int family) {
    return open(lab, family, client_endpoint(family), virtual_endpoint(family));
  }
};

}  // namespace vsnat::test
