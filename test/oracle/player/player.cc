// SPDX-License-Identifier: Apache-2.0
//
// The hands of the oracle: puts frames on the wire inside network namespaces and tells what came out, all of it.
// It knows nothing about what it sends; the harness composes and reads packets (../packet.ts, ../describe.ts), so
// that a real IPVS in a virtual machine and vsnat on this machine are played by the same program, byte for byte.
//
//   player NAME=NAMESPACE ...     NAMESPACE is a file; every NAME but `director` has a device `up0` there
//
// Commands on standard input, one a line; every answer ends with a line `.`:
//
//   fence FROM HEX TO     the frame that marks "everything before me is through"; its last 8 bytes are overwritten
//   send NAME HEX         send a frame, wait for the fence, tell what arrived:   r NAME HEX
//   gather MILLISECONDS   tell what arrives until then
//   run COMMAND ARG...    in the namespace `director`:   o TEXT   ...   exit CODE
//   run COMMAND ... << LINE;LINE...   the same, with these lines on its standard input
//   read NAME             /proc/net/NAME of that namespace:   o TEXT   ...
//
// Why a fence and not a pause: a packet goes through the director's queue in order, so when a harmless packet sent
// behind it has come out, everything it caused has come out. It is sent twice, because what the director's own host
// raises about a packet (an ICMP error) enters that queue once more, behind the first fence.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;
using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "player: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

struct Host {
  std::string name;
  int packets = -1;  // the socket on its device; -1 for the director
  int name_space = -1;
};

struct Fence {
  Host *from = nullptr, *to = nullptr;
  Bytes frame;
  uint64_t count = 0;
};

constexpr int kFences = 2;
constexpr auto kFenceDeadline = std::chrono::seconds(5);

std::vector<Host> hosts;
Fence fence;

Host& host(const std::string& name) {
  for (Host& h : hosts) {
    if (h.name == name) return h;
  }
  errno = ENOENT;
  die("host " + name);
}

void enter(int name_space) {
  if (setns(name_space, CLONE_NEWNET) != 0) die("setns");
}

int open_packets() {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (fd < 0) die("socket");
  const int on = 1, room = 8 << 20;
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) die("PACKET_IGNORE_OUTGOING");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_ALL);
  at.sll_ifindex = int(if_nametoindex("up0"));
  if (at.sll_ifindex == 0) die("up0");
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) die("bind");
  return fd;
}

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(uint8_t(std::strtoul(text.substr(i, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

void tell(const Host& from, const Bytes& frame) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string line = "r " + from.name + " ";
  for (const uint8_t byte : frame) {
    line += digits[byte >> 4];
    line += digits[byte & 15];
  }
  std::cout << line << '\n';
}

bool is_fence(const Host& from, const Bytes& frame, uint64_t count) {
  return &from == fence.to && frame.size() >= sizeof count &&
         std::memcmp(frame.data() + frame.size() - sizeof count, &count, sizeof count) == 0;
}

/** Reads what waits on one socket; true when the fence was among it. */
bool read_all(const Host& from, uint64_t awaited) {
  bool seen = false;
  Bytes frame(65536);
  for (;;) {
    frame.resize(65536);
    const ssize_t size = recv(from.packets, frame.data(), frame.size(), MSG_DONTWAIT);
    if (size < 0) return seen;
    frame.resize(size_t(size));
    const int type = frame.size() < 14 ? 0 : frame[12] << 8 | frame[13];
    if (type != ETH_P_IP && type != ETH_P_IPV6) continue;
    if (awaited != 0 && is_fence(from, frame, awaited)) {
      seen = true;
    } else {
      tell(from, frame);
    }
  }
}

/** Tells what arrives until the fence numbered `awaited` came out (0: until the deadline). */
bool collect(uint64_t awaited, Clock::time_point deadline) {
  for (;;) {
    std::vector<pollfd> waiting;
    for (const Host& h : hosts) {
      if (h.packets >= 0) waiting.push_back({h.packets, POLLIN, 0});
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 || poll(waiting.data(), waiting.size(), int(left)) <= 0) return false;
    bool seen = false;
    for (const Host& h : hosts) {
      if (h.packets >= 0 && read_all(h, awaited)) seen = true;
    }
    if (!seen) continue;
    // What left before the fence did is in its socket by now, but perhaps only since that socket was read.
    for (const Host& h : hosts) {
      if (h.packets >= 0) read_all(h, 0);
    }
    return true;
  }
}

void put(const Host& from, const Bytes& frame) {
  if (send(from.packets, frame.data(), frame.size(), 0) != ssize_t(frame.size())) {
    std::cout << "error send: " << std::strerror(errno) << '\n';
  }
}

void send_and_fence(const Host& from, const Bytes& frame) {
  put(from, frame);
  for (int i = 0; i < kFences; ++i) {
    const uint64_t count = 0x6665'6e63'0000'0000u + ++fence.count;
    std::memcpy(fence.frame.data() + fence.frame.size() - sizeof count, &count, sizeof count);
    put(*fence.from, fence.frame);
    if (!collect(count, Clock::now() + kFenceDeadline)) std::cout << "error the fence did not come out\n";
  }
}

/** A file that is gone when it is closed, to be some program's standard input. */
int file_of(std::string text) {
  for (char& c : text) {
    if (c == ';') c = '\n';
  }
  text += '\n';
  const int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd < 0 || write(fd, text.data(), text.size()) != ssize_t(text.size()) || lseek(fd, 0, SEEK_SET) != 0) {
    die("input");
  }
  return fd;
}

void run(const std::string& line) {
  const size_t mark = line.find(" << ");
  const int input =
      mark == std::string::npos ? open("/dev/null", O_RDONLY | O_CLOEXEC) : file_of(line.substr(mark + 4));
  std::istringstream words(line.substr(0, mark));
  std::vector<std::string> argv;
  for (std::string word; words >> word;) argv.push_back(word);
  argv.erase(argv.begin());
  int channel[2];
  if (pipe2(channel, O_CLOEXEC) != 0) die("pipe");
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    enter(host("director").name_space);
    dup2(input, 0);
    dup2(channel[1], 1);
    dup2(channel[1], 2);
    std::vector<char*> arguments;
    for (std::string& word : argv) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    std::perror(arguments[0]);
    _exit(127);
  }
  close(input);
  close(channel[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t size; (size = read(channel[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, size_t(size));
  }
  close(channel[0]);
  int status = 0;
  waitpid(child, &status, 0);
  std::istringstream lines(output);
  for (std::string text; std::getline(lines, text);) std::cout << "o " << text << '\n';
  std::cout << "exit " << (WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)) << '\n';
}

/** A file, not a program: in an emulated machine that is a hundred times faster than `ipvsadm -Lnc`, which reads it too. */
void read_proc(const std::string& name) {
  enter(host("director").name_space);
  std::ifstream file("/proc/thread-self/net/" + name);
  if (!file) std::cout << "error no /proc/net/" << name << '\n';
  for (std::string line; std::getline(file, line);) std::cout << "o " << line << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    Host h;
    h.name = argument.substr(0, equals);
    h.name_space = open(argument.substr(equals + 1).c_str(), O_RDONLY | O_CLOEXEC);
    if (h.name_space < 0) die(argument);
    if (h.name != "director") {
      enter(h.name_space);
      h.packets = open_packets();
    }
    hosts.push_back(h);
  }
  std::cout << "ready\n.\n" << std::flush;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, name, text;
    words >> command;
    if (command == "send") {
      words >> name >> text;
      send_and_fence(host(name), from_hex(text));
    } else if (command == "fence") {
      words >> name >> text;
      fence.from = &host(name);
      fence.frame = from_hex(text);
      words >> name;
      fence.to = &host(name);
    } else if (command == "gather") {
      int milliseconds = 0;
      words >> milliseconds;
      collect(0, Clock::now() + std::chrono::milliseconds(milliseconds));
    } else if (command == "run") {
      run(line);
    } else if (command == "read") {
      words >> name;
      read_proc(name);
    } else {
      std::cout << "error no command " << command << '\n';
    }
    std::cout << ".\n" << std::flush;
  }
}
