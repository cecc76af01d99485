// SPDX-License-Identifier: Apache-2.0
#include "napi/errors.h"

#include <uv.h>

#include <cerrno>
#include <cstring>

namespace vsnat::binding {

void throw_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.ThrowAsJavaScriptException();
}

void throw_system_error(Napi::Env env, const SysError& error) {
  const char* code = "VSNAT_DATAPLANE";
  std::string mend;
  const bool opening = error.operation.starts_with("open /dev/net/tun");
  const bool attaching = error.operation.starts_with("TUNSETIFF");
  if ((attaching && error.error == ENOTTY) || (opening && error.error == EISDIR)) {
    code = "VSNAT_NO_TUN";
    mend =
        "; /dev/net/tun is there but is not the TUN device: run `rm -r /dev/net/tun && mknod /dev/net/tun c "
        "10 "
        "200 && chmod 600 /dev/net/tun`, or give the container the device";
  } else if (opening && (error.error == EACCES || error.error == EPERM)) {
    code = "VSNAT_NO_TUN";
    mend =
        "; this user may not open the device, or its container may not: run as root, change its permissions "
        "(`ls -l /dev/net/tun`), or start the container with --device /dev/net/tun";
  } else if (opening && (error.error == ENOENT || error.error == ENODEV || error.error == ENXIO)) {
    code = "VSNAT_NO_TUN";
    mend =
        "; run `mkdir -p /dev/net && mknod /dev/net/tun c 10 200 && chmod 600 /dev/net/tun`, or give the "
        "container the device";
  } else if (error.error == EPERM || error.error == EACCES) {
    code = "VSNAT_NO_PERMISSION";
    mend = "; run as root or with CAP_NET_ADMIN";
  } else if (error.error == EBUSY) {
    code = "VSNAT_DEVICE_BUSY";
    mend =
        "; the device exists already: stop the process that has it, remove it if nobody has it "
        "(ip tuntap del dev NAME mode tun multi_queue), or choose another tun.name";
  } else if (error.error == ENOMEM && error.operation.starts_with("mmap of")) {
    mend = "; lower flows.capacity, or let the process have more memory (ulimit -v, LimitAS=)";
  }
  Napi::Error thrown = Napi::Error::New(env, error.operation + ": " + std::strerror(error.error) + mend);
  thrown.Set("code", Napi::String::New(env, code));
  thrown.Set("errno", Napi::Number::New(env, error.error));
  thrown.Set("syscall", Napi::String::New(env, error.operation));
  thrown.ThrowAsJavaScriptException();
}

void throw_errno(Napi::Env env, const SysError& error) {
  const char* code = uv_err_name(-error.error);
  Napi::Error thrown = Napi::Error::New(env, error.operation + ": " + code);
  thrown.Set("code", Napi::String::New(env, code));
  thrown.Set("errno", Napi::Number::New(env, -error.error));
  thrown.Set("syscall", Napi::String::New(env, error.operation));
  thrown.ThrowAsJavaScriptException();
}

}  // namespace vsnat::binding
