// SPDX-License-Identifier: Apache-2.0
//
// A few packets through a director that already has connections. Rules, besides those NatLab checks for every packet
// (what leaves parses again, every packet is counted once, the loads are the flows):
//
//   forwarded, TCP or UDP   equals the NAT that computes everything anew; a checksum that was right is right, one that
//                           was wrong is wrong, an absent one is absent, a pending one is pending
//   forwarded, ICMP         was right and is right, quote included unless the quote was wrong before
//   of an FTP control       the same but for the reply's numbers and the request's acknowledgments, and for the addresses
//   connection              in the text; no checksum that was wrong
//   passed                  not a bit changed but the hop and the header checksum
//   held, then released     the piece it was, under the rules above
//   answered                every checksum right, nothing left for a device to complete, no larger than it may be
#include <algorithm>
#include <memory>
#include <string>

#include "test/fuzz/step_lab.h"
#include "test/native/check.h"
#include "test/native/support/ftp_reference.h"

namespace vsnat::test {
namespace {

constexpr int kPacketsPerInput = 12;

/** A builder for the piece that begins there. */
PacketBuilder piece_at(PacketBuilder p, int f, uint16_t units, bool more) {
  return f == 4 ? p.fragment_field(uint16_t((more ? 0x2000 : 0) | units))
                : p.fragment_header(uint16_t(units << 3 | (more ? 1 : 0)));
}

/** The pieces of a datagram of UDP, the first last. */
std::vector<PacketBuilder> pieces_out_of_order(int f) {
  const PacketBuilder p = udp(f).to(dns_endpoint(f)).payload_bytes(64);
  return {piece_at(p, f, 18, false), piece_at(p, f, 9, true), piece_at(p, f, 0, true)};
}

std::vector<PacketBuilder> ping_in_pieces(int f) {
  return {piece_at(icmp(f).payload_bytes(56), f, 0, true), piece_at(icmp(f).payload_bytes(24), f, 8, false)};
}

/** The last last: the first waits for it. */
std::vector<PacketBuilder> sctp_in_pieces(int f) {
  const PacketBuilder p = sctp(f).to(sctp_endpoint(f));
  return {piece_at(PacketBuilder(p).payload_bytes(48), f, 0, true),
          piece_at(PacketBuilder(p).payload_bytes(32), f, 8, true),
          piece_at(PacketBuilder(p).payload_bytes(5), f, 14, false)};
}

bool equal_but_for_the_name_of_zero(const Bytes& got, const Bytes& want, size_t check_at) {
  if (got.size() != want.size()) return false;
  Bytes same_name = got;
  if (check_at + 2 <= got.size() && same_sum(get16(got, check_at), get16(want, check_at))) {
    put16(same_name, check_at, get16(want, check_at));
  }
  return same_name == want;
}

/**
 * A piece of a datagram: nothing may change but addresses and hop and, in the first piece, ports and checksum; and
 * what the first piece contributes to the datagram's sum stays what it was, right or wrong.
 */
void check_forwarded_fragment(const Packet& before, const Packet& after, const Anatomy& was,
                              const Anatomy& is) {
  Bytes want(before.bytes.begin(), before.bytes.begin() + long(was.length)), got = after.bytes;
  if (!CHECK_EQ(got.size(), want.size())) return;
  if (!was.later_fragment) {
    const size_t check_at = was.checksum_at();
    if (was.protocol == (was.family == 4 ? 1 : 58)) {  // an error: its quote changes, too
      const auto sum = [&](const Bytes& bytes, const Anatomy& a) {
        const uint16_t pseudo =
            was.family == 4 ? 0 : reference_pseudo_sum(a.source, a.destination, a.protocol, 0);
        return reference_sum(std::span(bytes).subspan(a.l4), pseudo);
      };
      CHECK(same_sum(sum(want, was), sum(got, is)));
      return;
    }
    if (was.protocol == 132) {  // over all pieces: native/nat/fragments_test.cc puts them together
      put16(got, check_at + 2, 0);
      put16(want, check_at + 2, 0);
    } else if (was.protocol == 17 && get16(want, check_at) == 0) {
      CHECK_EQ(get16(got, check_at), uint16_t{0});
    } else {
      const auto sum = [](const Bytes& bytes, const Anatomy& a) {
        const uint16_t pseudo = reference_pseudo_sum(a.source, a.destination, a.protocol, 0);
        return reference_sum(std::span(bytes).subspan(a.l4), pseudo);
      };
      CHECK(same_sum(sum(want, was), sum(got, is)));
    }
    for (const size_t at : {was.l4, was.l4 + 2, check_at}) {
      put16(got, at, 0);
      put16(want, at, 0);
    }
  }
  for (Bytes* bytes : {&got, &want}) {
    const bool v4 = was.family == 4;
    if (v4) put16(*bytes, 10, 0);
    (*bytes)[v4 ? 8 : 7] = 0;
    for (size_t i = v4 ? 12 : 8; i < (v4 ? 20u : 40u); ++i) (*bytes)[i] = 0;
  }
  CHECK(got == want);
}

bool is_ftp_control(const Packet& before, const Anatomy& a) {
  if (a.protocol != 6 || a.later_fragment) return false;
  const Endpoint from{a.source, get16(before.bytes, a.l4)}, to{a.destination, get16(before.bytes, a.l4 + 2)};
  return to == ftp_endpoint(a.family) || from == ftp_server(a.family);
}

/** See the rules above. What may be another number is zeroed on both sides. */
void check_ftp_control(const Packet& before, const Packet& after, const Anatomy& was, const Anatomy& is) {
  const bool reply = Endpoint{was.source, get16(before.bytes, was.l4)} == ftp_server(was.family);
  if (!was.fragment) {
    const L4Sum sum = judge_transport(after.bytes, after.vnet.needs_csum());
    CHECK(sum == (after.vnet.needs_csum() ? L4Sum::partial_right : L4Sum::right) ||
          (before.vnet.needs_csum() && judge_transport(before.bytes, true) == L4Sum::partial_wrong));
  }
  const auto halves = [&](const Packet& packet, const Anatomy& a) {
    const size_t text = std::min(a.length, a.l4 + size_t(packet.bytes[a.l4 + 12] >> 4) * 4);
    Bytes head(packet.bytes.begin(), packet.bytes.begin() + long(text));
    const bool v4 = a.family == 4;
    put16(head, v4 ? 2 : 4, 0);
    if (v4) put16(head, 10, 0);
    head[v4 ? 8 : 7] = 0;
    for (size_t i = v4 ? 12 : 8; i < (v4 ? 20u : 40u); ++i) head[i] = 0;
    for (const size_t at : {a.l4, a.l4 + 2, a.l4 + 16}) put16(head, at, 0);
    for (size_t i = 0; i < 4; ++i) head[a.l4 + (reply ? 4 : 8) + i] = 0;
    if (!reply) std::fill(head.begin() + long(a.l4 + 20), head.end(), uint8_t{0});  // SACK blocks
    return std::pair{head,
                     std::string(packet.bytes.begin() + long(text), packet.bytes.begin() + long(a.length))};
  };
  const auto [had, said_before] = halves(before, was);
  const auto [has, said_after] = halves(after, is);
  CHECK(had == has);
  CHECK_EQ(reply ? without_addresses(said_after) : said_after,
           reply ? without_addresses(said_before) : said_before);
}

void check_forwarded(const Packet& before, const Result& result) {
  const Packet& after = result.packet;
  const Anatomy was = *dissect(before.bytes), is = *dissect(after.bytes);
  CHECK(ip_checksum_right(after.bytes));
  if (is_ftp_control(before, was)) return check_ftp_control(before, after, was, is);
  if (was.is_icmp()) {
    CHECK(judge_transport(before.bytes, false) == L4Sum::right);
    CHECK(judge_transport(after.bytes, false) == L4Sum::right);
    const std::span<const uint8_t> whole{before.bytes.data(), was.length};
    CHECK_EQ(complaint(after.bytes, false), complaint(whole, false));
    return;
  }
  if (was.fragment) return check_forwarded_fragment(before, after, was, is);
  const bool pending = before.vnet.needs_csum();
  if (was.is_sctp() && pending) {  // finished here, because nobody behind a TUN would
    CHECK(!after.vnet.needs_csum());
    CHECK(judge_transport(after.bytes, false) == L4Sum::right);
    return;
  }
  CHECK_EQ(after.vnet.needs_csum(), pending);
  CHECK(judge_transport(before.bytes, pending) == judge_transport(after.bytes, pending));
  const uint8_t ttl = before.bytes[was.family == 4 ? 8 : 7];
  const Translation translation{endpoint_of(after, false), endpoint_of(after, true), ttl == 255 ? 0 : 1};
  CHECK(equal_but_for_the_name_of_zero(after.bytes, reference_nat(before, translation).bytes,
                                       is.checksum_at()));
}

/** That it is an error and not another ICMP message is what passing it proves: nothing else to a VIP passes. */
bool is_error_to_vip(const Anatomy& a) {
  const Address vips[] = {virtual_endpoint(a.family).address, other_virtual_endpoint(a.family).address,
                          grouped_endpoint(a.family, 0).address};
  return a.is_icmp() && std::find(std::begin(vips), std::end(vips), a.destination) != std::end(vips);
}

void check_passed(const Packet& before, const Result& result) {
  const Anatomy a = *dissect(before.bytes);
  Bytes want(before.bytes.begin(), before.bytes.begin() + long(a.length));
  uint8_t& ttl = want[a.family == 4 ? 8 : 7];
  if (ttl != 255) ++ttl;
  if (is_error_to_vip(a)) ttl = 1;  // for this host or for nobody
  Bytes got = result.packet.bytes;
  if (a.is_sctp() && before.vnet.needs_csum()) {
    CHECK(judge_transport(got, false) == L4Sum::right);
    for (size_t i = 0; i < 4; ++i) want[a.checksum_at() + i] = got[a.checksum_at() + i];
  }
  if (a.family == 4) {
    CHECK(ip_checksum_right(got));
    put16(want, 10, get16(got, 10));
  }
  CHECK(got == want);
}

void check_answered(const Packet& before, const Result& result) {
  const Packet& after = result.packet;
  const std::string wrong = complaint(after.bytes, false);
  // A quote is quoted as it came: with the checksum a device was still to complete, or with one that was wrong.
  CHECK(wrong.empty() || wrong == "wrong transport checksum in the quote");
  CHECK_EQ(int(after.vnet.flags), 0);
  CHECK(after.bytes.size() <= before.bytes.size() + nat::kAnswerHeadroom);
  const Anatomy was = *dissect(before.bytes);
  if (!was.fragment || result.outcome.generated != Generated::echo_reply) return;
  // A piece of a ping: the same bytes, but for type and checksum in the first.
  const size_t header = was.family == 4 ? 20 : 48, bytes = after.bytes.size() - header;
  if (!CHECK(bytes <= was.length)) return;
  Bytes got(after.bytes.begin() + long(header), after.bytes.end());
  Bytes want(before.bytes.begin() + long(was.length - bytes), before.bytes.begin() + long(was.length));
  if (!was.later_fragment) {
    for (Bytes* of : {&got, &want}) (*of)[0] = (*of)[2] = (*of)[3] = 0;
  }
  CHECK(got == want);
}

void check(const Packet& before, const Result& result) {
  if (result.forwarded()) check_forwarded(before, result);
  if (result.passed()) check_passed(before, result);
  if (result.answered()) check_answered(before, result);
}

/** Is this what became of that held piece? The number, the place in the datagram and the bytes are not translated. */
bool is_of(const Packet& held, const Packet& after) {
  const Anatomy was = *dissect(held.bytes);
  if (after.bytes.size() != was.length || after.bytes[0] != held.bytes[0]) return false;
  const auto same = [&](size_t from, size_t to) {
    return std::equal(held.bytes.begin() + long(from), held.bytes.begin() + long(to),
                      after.bytes.begin() + long(from));
  };
  const size_t header = was.family == 4 ? 20 : 40;
  if (was.fragment && !was.later_fragment) {  // SCTP's, which may have been given another port
    return same(0, was.family == 4 ? 8 : 7) && same(header, was.l4) && same(was.l4 + 12, was.length);
  }
  return same(0, was.family == 4 ? 8 : 7) && same(header, was.length);
}

}  // namespace

void fuzz_step(std::span<const uint8_t> input) {
  const std::unique_ptr<NatLab> lab = warm_lab();
  std::vector<Packet> held;
  for (int i = 0; i < kPacketsPerInput; ++i) {
    const std::optional<Record> record = next_record(input);
    if (!record) return;
    const Packet& packet = record->packet;
    lab->now.ms += record->pause_ms;
    const Result result = lab->send(packet);
    check(packet, result);
    if (result.held()) held.push_back(packet);
    for (const Result& piece : result.released) {
      if (!piece.forwarded() && !piece.passed()) continue;
      const auto of =
          std::find_if(held.begin(), held.end(), [&](const Packet& one) { return is_of(one, piece.packet); });
      if (CHECK(of != held.end())) check(*of, piece);
    }
    if (record->silences) lab->end({.silence = true});
    if (record->expires) lab->expire();
  }
}

/** Both kinds of announcement and the connections they are about, one answer twice. */
std::vector<PacketBuilder> ftp_transfers(int f) {
  const std::string ask = f == 4 ? "PASV\r\n" : "EPSV\r\n";
  const std::string told =
      f == 4 ? "227 Entering Passive Mode (10,0,0,3,156,64).\r\n" : "229 Ok (|||40000|)\r\n";
  const std::string port = f == 4 ? "PORT 198,51,100,7,200,10\r\n" : "EPRT |2|2001:db8::7|51210|\r\n";
  Endpoint client = client_endpoint(f), server = ftp_server(f);
  client.port = 51210;
  server.port = 2120;
  const auto asked = uint32_t(1000 + ask.size()), answered = uint32_t(5000 + told.size());
  return {ftp_says(f, false, ask, 1000, 5000),
          ftp_says(f, true, told, 5000, asked),
          ftp_says(f, true, told, 5000, asked),
          tcp(f).source_port(50000).to(grouped_endpoint(f, 40000)).flags(kSyn),
          ftp_says(f, false, port, asked, answered),
          tcp(f).from(server).to(client).flags(kSyn),
          ftp_says(f, true, "200 Ok\r\n", answered, asked + uint32_t(port.size())).checksum(Csum::partial)};
}

std::vector<PacketBuilder> errors_in_pieces(int f) {
  const auto error = [&](const PacketBuilder& quoted) {
    return icmp(f).icmp(f == 4 ? 3 : 1, f == 4 ? 3 : 4, 0).payload(quoted.bytes());
  };
  const PacketBuilder to_vip = error(udp(f).from(dns_endpoint(f)).to(client_endpoint(f)).payload_bytes(80));
  const PacketBuilder to_client =
      error(udp(f).to(dns_server(f, 0)).payload_bytes(80)).from(dns_server(f, 0)).to(client_endpoint(f));
  return {piece_at(to_vip, f, 0, true), piece_at(to_client, f, 0, true)};
}

std::vector<Bytes> step_seeds() {
  std::vector<Bytes> seeds;
  for (const int f : {4, 6}) {
    const auto error = [&](const PacketBuilder& quoted) {
      return icmp(f).icmp(f == 4 ? 3 : 1, f == 4 ? 3 : 4, 0).payload(quoted.bytes());
    };
    const PacketBuilder from_client = tcp(f).seq(1001).ack(5001),
                        from_real = from_server(f, kAck).seq(5001).ack(1001);
    const std::vector<std::vector<PacketBuilder>> stories = {
        {PacketBuilder(from_client).payload_bytes(20), PacketBuilder(from_real).payload_bytes(40)},
        {tcp(f).source_port(7).flags(kSyn),
         from_server(f, kSyn | kAck, 1).destination_port(7).ack(0x11223345)},
        {PacketBuilder(from_client).flags(kFin | kAck), PacketBuilder(from_real).flags(kFin | kAck),
         tcp(f).flags(kSyn)},
        {PacketBuilder(from_client).flags(kRst), tcp(f).flags(kSyn)},
        {PacketBuilder(from_client).payload_bytes(700).gso(300),
         PacketBuilder(from_real).checksum(Csum::partial)},
        {udp(f).to(dns_endpoint(f)).payload_bytes(9),
         udp(f).from(dns_server(f, 0)).to(client_endpoint(f)).checksum(Csum::absent)},
        {icmp(f).payload_bytes(13), icmp(f).icmp(5, 0)},
        ping_in_pieces(f),
        sctp_in_pieces(f),
        {error(tcp(f).from(virtual_endpoint(f)).to(client_endpoint(f))),
         error(tcp(f).to(web_server(f, 0))).from(web_server(f, 0)).to(client_endpoint(f))},
        {sctp(f).to(sctp_endpoint(f)).chunk(10, Bytes(9)).chunk(6),
         sctp(f).from(sctp_server(f, 0)).to(client_endpoint(f)).payload_bytes(40)},
        {sctp(f).to(sctp_endpoint(f)).source_port(9).payload_bytes(4),
         sctp(f).to(sctp_endpoint(f)).checksum(Csum::partial)},
        pieces_out_of_order(f),
        {udp(f).destination_port(99).payload_bytes(50), tcp(f).destination_port(99).flags(kSyn),
         protocol(f, 47)},
        {tcp(f).to(grouped_endpoint(f, 99)).flags(kSyn), tcp(f).to(grouped_endpoint(f, 1001)).flags(kSyn),
         tcp(f).from({web_server(f, 0).address, 99}).to(client_endpoint(f)).flags(kSyn | kAck)},
        {udp(f).to(grouped_endpoint(f, 54)), udp(f).to(grouped_endpoint(f, 1000)),
         udp(f).from({web_server(f, 0).address, 5400}).to(client_endpoint(f)).payload_bytes(5)},
        {udp(f).to(grouped_endpoint(f, 54)).payload(bytes_of("\r\nCall-ID: a@b\r\n")),
         udp(f).from({web_server(f, 0).address, 5400}).to(client_endpoint(f)).payload(bytes_of("\ni:a@b\n"))},
        errors_in_pieces(f),
        ftp_transfers(f),
        {tcp(f).to(other_virtual_endpoint(f)).flags(kSyn),
         tcp(f).from(other_virtual_endpoint(f)).flags(kSyn)},
    };
    for (const auto& story : stories) seeds.push_back(seed_of(story));
  }
  return seeds;
}

}  // namespace vsnat::test
