// SPDX-License-Identifier: Apache-2.0
//
// A small HTTP/1.1 server on one epoll thread: keep-alive, or the server closes first when the request asks
// for it, so that TIME_WAIT gathers at the servers and a client never runs out of ports. The body is "<name>
// <client>\n": who answered, and whom the answer was for.
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "commands.h"
#include "net.h"

namespace vsnat::load {
namespace {

constexpr size_t kLargestRequest = 16384;

struct Connection {
  UniqueFd fd;
  std::string client;
  std::string input;
};

class HttpServer {
 public:
  HttpServer(uint16_t port, std::string name)
      : listener_(bind_any(SOCK_STREAM | SOCK_NONBLOCK, port)), name_(std::move(name)) {
    watch(listener_.get());
  }

  [[noreturn]] void run() {
    epoll_event events[256];
    for (;;) {
      const int ready = epoll_wait(epoll_.get(), events, 256, -1);
      for (int i = 0; i < ready; ++i) {
        if (events[i].data.fd == listener_.get()) {
          accept_all();
        } else {
          const auto found = connections_.find(events[i].data.fd);
          if (found != connections_.end() && !serve(found->second)) connections_.erase(found);
        }
      }
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    for (;;) {
      Address client;
      client.length = sizeof(client.storage);
      auto* raw = reinterpret_cast<sockaddr*>(&client.storage);
      UniqueFd fd{accept4(listener_.get(), raw, &client.length, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (!fd) return;
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      const int number = fd.get();
      watch(number);
      connections_[number] = Connection{std::move(fd), client.host(), {}};
    }
  }

  /// False when the connection is over.
  bool serve(Connection& connection) {
    char buffer[kLargestRequest];
    const ssize_t got = recv(connection.fd.get(), buffer, sizeof(buffer), 0);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    connection.input.append(buffer, static_cast<size_t>(got));
    for (;;) {
      const size_t end = connection.input.find("\r\n\r\n");
      if (end == std::string::npos) return connection.input.size() <= kLargestRequest;
      const bool close =
          std::string_view(connection.input).substr(0, end).find("Connection: close") != std::string::npos;
      connection.input.erase(0, end + 4);
      const std::string body = name_ + ' ' + connection.client + '\n';
      const std::string answer =
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
          (close ? "\r\nConnection: close" : "") + "\r\n\r\n" + body;
      if (!write_all(connection.fd.get(), answer.data(), answer.size()) || close) return false;
    }
  }

  UniqueFd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  UniqueFd listener_;
  std::string name_;
  std::unordered_map<int, Connection> connections_;
};

}  // namespace

void serve_http(uint16_t port, const std::string& name) {
  auto* server = new HttpServer(port, name);  // lives as long as the process
  std::thread([server] { server->run(); }).detach();
}

}  // namespace vsnat::load
