// SPDX-License-Identifier: Apache-2.0
#include "engine/resolver.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "engine/native_thread.h"

namespace vsnat::engine {
namespace {

/** Between two looks at the notifications: they say what is wrong with answers given so far. */
constexpr unsigned kAnswersInARow = 64;

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::open(unsigned workers, int tun, uint32_t hosts) {
  // Notifications first: what changes after a question was answered must not go unheard.
  Result<io::Netlink> notifications = io::Netlink::open(io::Netlink::Purpose::notifications);
  if (!notifications) return notifications.error();
  Result<io::Netlink> questions = io::Netlink::open(io::Netlink::Purpose::questions);
  if (!questions) return questions.error();
  UniqueFd wake{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!wake) return SysError{errno, "eventfd"};
  return std::unique_ptr<Resolver>(new Resolver(
      std::move(questions.value()), std::move(notifications.value()), std::move(wake), workers, tun, hosts));
}

Resolver::Resolver(io::Netlink questions, io::Netlink notifications, UniqueFd wake, unsigned workers, int tun,
                   uint32_t hosts)
    : questions_(std::move(questions)),
      notifications_(std::move(notifications)),
      wake_(std::move(wake)),
      tun_(uint32_t(tun)),
      next_hops_(hosts) {
  for (unsigned i = 0; i < workers; ++i) asked_.push_back(std::make_unique<Questions>());
}

Resolver::~Resolver() {
  stop();
}

Result<bool> Resolver::start() {
  const auto started = start_thread(thread_, "vsnat-egress", this, [](void* self) -> void* {
    static_cast<Resolver*>(self)->loop();
    return nullptr;
  });
  joinable_ = bool(started);
  return started;
}

void Resolver::stop() {
  stop_.store(true, std::memory_order_release);
  ::eventfd_write(wake_.get(), 1);
  if (joinable_) ::pthread_join(thread_, nullptr);
  joinable_ = false;
}

void Resolver::ask(unsigned worker, const io::Host& host) {
  if (!asked_[worker]->push(host)) return;
  // Sequentially consistent on both sides: either it sees the question before it sleeps, or we see it asleep.
  if (asleep_.exchange(false)) ::eventfd_write(wake_.get(), 1);
}

void Resolver::loop() {
  while (!stop_.load(std::memory_order_acquire)) {
    follow();
    if (answer_some()) continue;
    asleep_.store(true);
    if (answer_some()) {
      asleep_.store(false);
      continue;
    }
    pollfd fds[2] = {{notifications_.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    ::poll(fds, 2, -1);
    asleep_.store(false);
    eventfd_t ignored;
    if (fds[1].revents & POLLIN) ::eventfd_read(wake_.get(), &ignored);
  }
}

void Resolver::follow() {
  const io::Netlink::Notified notified = notifications_.read([this](const io::NeighbourChange& change) {
    const auto known = neighbours_.find(NeighbourKey{change.interface, change.host});
    if (known == neighbours_.end()) return;
    next_hops_.set_neighbour(known->second, change.address ? &*change.address : nullptr);
  });
  if (notified.neighbours_lost) {
    forget_everything();
  } else if (notified.routes) {
    links_.clear();
    next_hops_.forget_hosts();
    forgotten_.fetch_add(1, std::memory_order_relaxed);
  }
}

void Resolver::forget_everything() {
  links_.clear();
  neighbours_.clear();
  next_hops_.forget_neighbours();
  forgotten_.fetch_add(1, std::memory_order_relaxed);
}

bool Resolver::answer_some() {
  unsigned answers = 0;
  io::Host host;
  for (const auto& worker : asked_) {
    while (answers < kAnswersInARow && worker->pop(host)) {
      answer(host);
      ++answers;
    }
  }
  answered_.fetch_add(answers, std::memory_order_relaxed);
  return answers > 0;
}

void Resolver::answer(const io::Host& host) {
  const auto by_kernel = [&] { next_hops_.put(host, {}, {}, io::NextHops::kNoNeighbour); };
  const std::optional<io::PlainRoute> route = questions_.route_to(host);
  if (!route || route->interface == tun_) return by_kernel();
  const auto& out = link(route->interface);
  if (!out) return by_kernel();
  const uint32_t next = neighbour(route->interface, route->gateway);
  const uint32_t mtu = route->mtu == 0 ? out->mtu : std::min(route->mtu, out->mtu);
  next_hops_.put(host, {route->interface, mtu, route->gateway}, out->address, next);
}

const std::optional<io::EthernetLink>& Resolver::link(uint32_t interface) {
  const auto known = links_.find(interface);
  if (known != links_.end()) return known->second;
  return links_.emplace(interface, questions_.ethernet(interface)).first->second;
}

uint32_t Resolver::neighbour(uint32_t interface, const io::Host& gateway) {
  const NeighbourKey key{interface, gateway};
  if (const auto known = neighbours_.find(key); known != neighbours_.end()) return known->second;
  uint32_t added = next_hops_.add_neighbour();
  if (added == io::NextHops::kNoNeighbour) {
    const auto keep = links_;
    forget_everything();
    links_ = keep;
    added = next_hops_.add_neighbour();
  }
  neighbours_.emplace(key, added);
  const std::optional<io::Mac> address = questions_.neighbour(interface, gateway);
  next_hops_.set_neighbour(added, address ? &*address : nullptr);
  return added;
}

}  // namespace vsnat::engine
