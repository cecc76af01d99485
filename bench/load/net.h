// SPDX-License-Identifier: Apache-2.0
//
// The few socket calls every command needs. Failures are errno values, never exceptions: a load tool counts
// them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace vsnat::load {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

inline Clock::time_point after_seconds(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
  /// Without the port; an IPv4-mapped IPv6 address is written as the IPv4 address it is.
  [[nodiscard]] std::string host() const;
};

/// `10.0.0.1:80` or `[2001:db8::1]:80`; a bare address when `port_given` is no. Exits with code 2 on
/// nonsense.
Address parse_address(const std::string& text, bool port_given = true);

/// A dual-stack socket bound to `port` on every address; SOCK_STREAM ones already listen. Exits on failure.
UniqueFd bind_any(int type, uint16_t port);

/// A blocking connection, or an empty descriptor and errno.
UniqueFd connect_tcp(const Address& to, double timeout_s);

/// Whole buffer or false with errno (0 when the peer closed early).
bool write_all(int fd, const void* data, size_t size);
bool read_all(int fd, void* data, size_t size);

/// Receive and send calls of a blocking socket fail with EAGAIN after this long without a byte.
void set_stall_limit(int fd, double seconds);

/// `ECONNREFUSED` rather than `Connection refused`: made for counting; `closed` for 0, `stalled` for EAGAIN.
std::string error_name(int error);

}  // namespace vsnat::load
