// SPDX-License-Identifier: Apache-2.0
//
// One object of JavaScript, read field by field into plain values. The first thing that is wrong is remembered with its
// path, and nothing is read after it.
#pragma once

#include <arpa/inet.h>
#include <napi.h>

#include <cmath>
#include <initializer_list>
#include <string>
#include <vector>

#include "service/snapshot.h"

namespace vsnat::binding {

inline bool parse_address(const std::string& text, service::IpAddress& address) {
  if (::inet_pton(AF_INET, text.c_str(), &address.v4) == 1) {
    address.family = 4;
  } else if (::inet_pton(AF_INET6, text.c_str(), &address.v6) == 1) {
    address.family = 6;
  }
  return address.family != 0;
}

/**
 * Where a value stands: "services[0].servers[2]". Written out only for a complaint; a snapshot has hundreds of thousands
 * of values, and next to never a complaint. What it hangs from must outlive it.
 */
class Path {
 public:
  Path() = default;
  Path(const Path& up, const char* name, int64_t index = -1) : up_(&up), name_(name), index_(index) {}

  std::string text() const {
    if (up_ == nullptr) return {};
    std::string text = up_->text();
    if (*name_ == '\0') return text;
    if (!text.empty()) text += '.';
    text += name_;
    if (index_ >= 0) text += '[' + std::to_string(index_) + ']';
    return text;
  }

 private:
  const Path* up_ = nullptr;
  const char* name_ = "";
  int64_t index_ = -1;
};

/** Reads fields of one object; remembers the first complaint and is a no-op after it. */
class Fields {
 public:
  /** The argument itself. */
  Fields(Napi::Value value, std::string& problem) : Fields(value, Path{}, problem) {}
  Fields(Napi::Value value, Path path, std::string& problem) : path_(path), problem_(problem) {
    if (value.IsObject()) {
      object_ = value.As<Napi::Object>();
    } else {
      complain("", "must be an object");
    }
  }

  bool ok() const { return problem_.empty(); }

  Napi::Value get(const char* name) {
    if (!ok()) return {};
    Napi::Value value = object_.Get(name);
    // A getter that throws leaves its exception pending; ours replaces it.
    if (object_.Env().IsExceptionPending()) {
      object_.Env().GetAndClearPendingException();
      complain(name, "must be readable");
      return {};
    }
    return value;
  }

  /** Whether an optional field is given. */
  bool has(const char* name) {
    const Napi::Value value = get(name);
    return ok() && !value.IsUndefined();
  }

  double number(const char* name, double low, double high) {
    const Napi::Value value = get(name);
    if (!ok()) return 0;
    if (value.IsNumber()) {
      const double n = value.As<Napi::Number>().DoubleValue();
      if (n >= low && n <= high && n == std::floor(n)) return n;
    }
    complain(name, "must be a whole number from " + std::to_string(uint64_t(low)) + " to " +
                       std::to_string(uint64_t(high)));
    return 0;
  }
  uint32_t u32(const char* name, uint32_t low, uint32_t high) { return uint32_t(number(name, low, high)); }

  bool boolean(const char* name) {
    const Napi::Value value = get(name);
    if (!ok()) return false;
    if (!value.IsBoolean()) complain(name, "must be true or false");
    return ok() && value.As<Napi::Boolean>().Value();
  }

  std::string string(const char* name) {
    const Napi::Value value = get(name);
    if (!ok()) return {};
    if (!value.IsString()) complain(name, "must be a string");
    return ok() ? value.As<Napi::String>().Utf8Value() : std::string{};
  }

  /** One of the words, as its position. */
  size_t word(const char* name, std::initializer_list<const char*> words) {
    const std::string got = string(name);
    if (!ok()) return 0;
    size_t i = 0;
    std::string list;
    for (const char* w : words) {
      if (got == w) return i;
      list += (i++ ? ", " : "") + std::string(w);
    }
    complain(name, "must be one of " + list);
    return 0;
  }

  /** Call `each(element, path)` for every element of an array. */
  template <class Each>
  void array(const char* name, Each&& each) {
    const Napi::Value value = get(name);
    if (!ok()) return;
    if (!value.IsArray()) return complain(name, "must be an array");
    const auto list = value.As<Napi::Array>();
    const uint32_t length = list.Length();
    for (uint32_t i = 0; i < length && ok(); ++i) {
      Napi::HandleScope scope(list.Env());
      const Path path(path_, name, i);
      const Napi::Value element = list.Get(i);
      if (list.Env().IsExceptionPending()) {
        list.Env().GetAndClearPendingException();
        problem_ = path.text() + ": must be readable";
        return;
      }
      each(element, path);
    }
  }

  void indices(const char* name, std::vector<int32_t>& out) {
    array(name, [&](Napi::Value value, const Path& path) {
      const double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
      if (n >= -1 && n < 1 << 24 && n == std::floor(n)) {
        out.push_back(int32_t(n));
      } else {
        problem_ = path.text() + ": must be a server index";
      }
    });
  }

  void factors(const char* name, std::vector<uint16_t>& out) {
    array(name, [&](Napi::Value value, const Path& path) {
      const double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
      if (n >= 1 && n <= 65535 && n == std::floor(n)) {
        out.push_back(uint16_t(n));
      } else {
        problem_ = path.text() + ": must be a whole number from 1 to 65535";
      }
    });
  }

  service::IpAddress address(const char* name) {
    const std::string text = string(name);
    service::IpAddress address;
    if (ok() && !parse_address(text, address)) complain(name, "must be an IPv4 or IPv6 address");
    return address;
  }

  void complain(const char* name, const std::string& what) {
    if (!ok()) return;
    const std::string where = at(name).text();
    problem_ = (where.empty() ? "argument" : where) + ": " + what;
  }
  /** Only while these fields stay where they are. */
  Path at(const char* name) const { return Path(path_, name); }

 private:
  Napi::Object object_;
  Path path_;
  std::string& problem_;
};

}  // namespace vsnat::binding
