// SPDX-License-Identifier: Apache-2.0
//
// An FTP control connection through a director, by what is said on it. Both ends keep their own numbers; the client's
// idea of the server's numbers is checked with every reply, so a gap or an overlap in what it receives is seen.
#pragma once

#include <string>
#include <vector>

#include "test/native/nat/nat_lab.h"

namespace vsnat::test {

inline Bytes bytes_of(const std::string& text) {
  return Bytes(text.begin(), text.end());
}

/** The TCP payload. */
inline std::string said(const Packet& packet) {
  const Anatomy a = *dissect(packet.bytes);
  const size_t header = size_t(packet.bytes[a.l4 + 12] >> 4) * 4;
  return std::string(packet.bytes.begin() + long(a.l4 + header), packet.bytes.begin() + long(a.length));
}
inline uint32_t seq_of(const Packet& packet) {
  return get32(packet.bytes, dissect(packet.bytes)->l4 + 4);
}
inline uint32_t ack_of(const Packet& packet) {
  return get32(packet.bytes, dissect(packet.bytes)->l4 + 8);
}

class FtpLab {
 public:
  explicit FtpLab(int address_family = 4) : family(address_family) {
    for (auto& service : lab.spec.services) {
      if (service.listen[0].protocol == kTcp) service.helper = service::Helper::ftp;
    }
    lab.publish();
  }

  void open() { server = Handshake::open(lab, family, client(), virt()); }

  Endpoint client(uint16_t port = 49153) const {
    Endpoint e = client_endpoint(family);
    e.port = port;
    return e;
  }
  Endpoint virt() const { return virtual_endpoint(family); }
  Endpoint virt(uint16_t port) const { return {virt().address, port}; }
  Endpoint real() const { return web_server(family, server); }
  Endpoint real(uint16_t port) const { return {real().address, port}; }

  PacketBuilder asking(const std::string& text) const {
    return tcp(family)
        .from(client())
        .to(virt())
        .flags(kAck | kPsh)
        .seq(client_next)
        .ack(given_next)
        .payload(bytes_of(text));
  }
  PacketBuilder answering(const std::string& text) const {
    return tcp(family)
        .from(real())
        .to(client())
        .flags(kAck | kPsh)
        .seq(server_next)
        .ack(client_next)
        .payload(bytes_of(text));
  }

  /** The client says so; what the server receives. */
  Packet ask(const std::string& text) {
    const Result result = lab.send(asking(text));
    CHECK(result.forwarded());
    CHECK_EQ(said(result.packet), text);
    CHECK_EQ(seq_of(result.packet), client_next);
    CHECK_EQ(ack_of(result.packet), server_next);
    check_sums(result.packet);
    client_next += uint32_t(text.size());
    return result.packet;
  }

  /** The server says so; what the client receives. */
  Packet answer(const std::string& text, Csum checksum = Csum::full) {
    const Result result = lab.send(answering(text).checksum(checksum));
    CHECK(result.forwarded());
    CHECK_EQ(seq_of(result.packet), given_next);
    check_sums(result.packet);
    server_next += uint32_t(text.size());
    given_next += uint32_t(said(result.packet).size());
    return result.packet;
  }

  static void check_sums(const Packet& packet) {
    CHECK_EQ(complaint(packet.bytes, packet.vnet.needs_csum()), std::string());
  }

  /** h1,h2,h3,h4,p1,p2 */
  static std::string list(const Endpoint& e) {
    std::string text;
    for (int i = 0; i < 4; ++i) text += std::to_string(e.address.bytes[size_t(i)]) + ",";
    return text + std::to_string(e.port >> 8) + "," + std::to_string(e.port & 255);
  }
  std::string entering(const Endpoint& e) const { return "227 Entering Passive Mode (" + list(e) + ").\r\n"; }

  int family;
  NatLab lab;
  int server = 0;
  /** What each side sends next, and what the client takes the server's next number for. */
  uint32_t client_next = Handshake::kClientNext, server_next = Handshake::kServerNext,
           given_next = Handshake::kServerNext;
};

}  // namespace vsnat::test
