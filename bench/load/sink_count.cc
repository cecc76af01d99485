// SPDX-License-Identifier: Apache-2.0
#include "sink_count.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "net.h"
#include "options.h"

namespace vsnat::load {
namespace {

/// Longer than a busy machine lets a director wait for its CPU (a fifth of a second was not, at a load average of 14 on two
/// CPUs): what has not come by then does not come.
constexpr timespec kStalled{1, 0};

long futex(std::atomic<uint32_t>& word, int operation, uint32_t value, const timespec* timeout) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), operation, value, timeout, nullptr, 0);
}

}  // namespace

void SinkCount::add(uint64_t more_datagrams, uint64_t more_bytes) {
  bytes.fetch_add(more_bytes);
  const uint64_t now = datagrams.fetch_add(more_datagrams) + more_datagrams;
  if (now < wake_at.load()) return;
  wake_at.store(kNobodyWaits);
  bell.fetch_add(1);
  futex(bell, FUTEX_WAKE, 1, nullptr);
}

bool SinkCount::wait_for(uint64_t count) {
  uint64_t seen = datagrams.load();
  while (seen < count) {
    const uint32_t rung = bell.load();
    wake_at.store(count);
    if (datagrams.load() >= count) break;
    const bool timed_out = futex(bell, FUTEX_WAIT, rung, &kStalled) != 0 && errno == ETIMEDOUT;
    const uint64_t now = datagrams.load();
    if (timed_out && now == seen) break;
    seen = now;
  }
  wake_at.store(kNobodyWaits);
  return datagrams.load() >= count;
}

SinkCount& map_sink_count(const std::string& path) {
  const UniqueFd fd{open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  void* at = MAP_FAILED;
  if (fd && ftruncate(fd.get(), sizeof(SinkCount)) == 0)
    at = mmap(nullptr, sizeof(SinkCount), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) usage_error(path + ": " + std::strerror(errno));
  return *static_cast<SinkCount*>(at);
}

}  // namespace vsnat::load
