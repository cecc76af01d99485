// SPDX-License-Identifier: Apache-2.0
//
// One queue of a TUN device. tun_queue.cc is the only file that knows <linux/if_tun.h>.
//
// Facts this relies on, measured on Linux 6.18 and asserted by test/netns where they can be seen: with
// IFF_VNET_HDR every read and write carries a virtio_net_hdr; a read into a short buffer truncates silently,
// so buffers hold the largest packet; `ip link set down` makes writes fail with EIO and wakes nobody; `ip
// link del` shows as POLLERR and EBADFD. A successful write is no proof that the packet went anywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "wire/vnet_hdr.h"

namespace vsnat::io {

/** What the kernel turned out to be willing to do, found by trying one thing at a time. */
struct TunFacts {
  std::string name;
  int index = 0;
  bool vnet_header = false;
  bool checksum = false, tso4 = false, tso6 = false, uso4 = false, uso6 = false;
};

enum class Offload : uint8_t { automatic, off };

enum class ReadStatus : uint8_t { packet, empty, gone, error };

class TunQueue {
 public:
  /** Largest read: an IP packet of 65535 bytes. */
  static constexpr size_t kMaxPacket = 65535;

  /**
   * What read() and write() may use in front of their buffers: metadata and packet cross in one piece, which costs the
   * kernel less than a vector of two: __import_iovec and one more range to check, each way.
   */
  static constexpr size_t kHeadroom = sizeof(wire::vnet_hdr);

  /** Wait until readable; also sees the device vanish. The descriptor for poll(). */
  int fd() const { return fd_.get(); }

  /** Read one packet into `buffer` (at least kMaxPacket + 1 bytes). `length` is that of the packet alone. */
  ReadStatus read(wire::vnet_hdr& vnet, std::span<uint8_t> buffer, uint32_t& length);

  /** 0, or the errno of the write. */
  int write(const wire::vnet_hdr& vnet, std::span<uint8_t> packet);

  /** Bytes of metadata in front of every packet. */
  size_t header_bytes() const { return vnet_ ? sizeof(wire::vnet_hdr) : 0; }
  /** What somebody else has read for us: `got` bytes, the packet's at `packet` and metadata before it. */
  void accept(wire::vnet_hdr& vnet, const uint8_t* packet, size_t got, uint32_t& length) const;
  /** Puts the metadata before the packet: what a write has to have. */
  std::span<uint8_t> with_header(const wire::vnet_hdr& vnet, std::span<uint8_t> packet) const;

  /** Let a socket-filter program choose the queue of every packet the device sends us. 0 or errno. */
  int set_steering(int program);

  bool has_vnet_header() const { return vnet_; }

  TunQueue(UniqueFd fd, bool vnet) : fd_(std::move(fd)), vnet_(vnet) {}

 private:
  UniqueFd fd_;
  bool vnet_;
};

struct OpenedTun {
  TunFacts facts;
  std::vector<TunQueue> queues;
};

/**
 * Create the device `name` with `queues` queues. Refuses a device that exists (EBUSY): a second opener of a
 * multi-queue device would silently be given half of its flows.
 */
Result<OpenedTun> open_tun(std::string_view name, unsigned queues, Offload offload);

}  // namespace vsnat::io
