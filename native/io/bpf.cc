// SPDX-License-Identifier: Apache-2.0
#include "io/bpf.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace vsnat::io {

long bpf(int command, bpf_attr& attr) {
  return ::syscall(__NR_bpf, command, &attr, sizeof(attr));
}

Result<UniqueFd> load_bpf(const BpfAssembler& program, bpf_prog_type type, const char* name) {
  bpf_attr attr{};
  attr.prog_type = type;
  attr.insn_cnt = uint32_t(program.code().size());
  attr.insns = reinterpret_cast<uint64_t>(program.code().data());
  attr.license = reinterpret_cast<uint64_t>("Dual BSD/GPL");
  std::strncpy(attr.prog_name, name, sizeof(attr.prog_name) - 1);
  UniqueFd loaded{int(bpf(BPF_PROG_LOAD, attr))};
  if (!loaded) return SysError{errno, "BPF_PROG_LOAD"};
  return loaded;
}

Result<BpfHash> BpfHash::open(uint32_t key_bytes, uint32_t most_entries, const char* name) {
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_HASH;
  attr.key_size = key_bytes;
  attr.value_size = sizeof(uint32_t);
  attr.max_entries = most_entries;
  attr.map_flags = BPF_F_NO_PREALLOC;
  std::strncpy(attr.map_name, name, sizeof(attr.map_name) - 1);
  UniqueFd map{int(bpf(BPF_MAP_CREATE, attr))};
  if (!map) return SysError{errno, "BPF_MAP_CREATE"};
  return BpfHash{std::move(map)};
}

int BpfHash::put(const void* key, uint32_t value, uint64_t flags) {
  bpf_attr attr{};
  attr.map_fd = uint32_t(fd_.get());
  attr.key = reinterpret_cast<uint64_t>(key);
  attr.value = reinterpret_cast<uint64_t>(&value);
  attr.flags = flags;
  return bpf(BPF_MAP_UPDATE_ELEM, attr) < 0 ? errno : 0;
}

int BpfHash::remove(const void* key) {
  bpf_attr attr{};
  attr.map_fd = uint32_t(fd_.get());
  attr.key = reinterpret_cast<uint64_t>(key);
  return bpf(BPF_MAP_DELETE_ELEM, attr) < 0 ? errno : 0;
}

Result<BpfArray> BpfArray::open(uint32_t value_bytes, uint32_t values, const char* name) {
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = sizeof(uint32_t);
  attr.value_size = value_bytes;
  attr.max_entries = values;
  attr.map_flags = BPF_F_MMAPABLE;
  std::strncpy(attr.map_name, name, sizeof(attr.map_name) - 1);
  UniqueFd map{int(bpf(BPF_MAP_CREATE, attr))};
  if (!map) return SysError{errno, "BPF_MAP_CREATE"};
  Result<Mapping> memory = Mapping::shared(map.get(), 0, size_t{value_bytes} * values, name);
  if (!memory) return memory.error();
  return BpfArray{std::move(map), std::move(memory.value())};
}

}  // namespace vsnat::io
