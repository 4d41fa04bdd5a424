// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "capi/runtime/handles.h"
#include "planish/version.h"

namespace planish::capi {
namespace {

struct LastError {
  std::string message, node, hint;
};
LastError& last_error() {
  thread_local LastError error;
  return error;
}

bool is_utf8(const char* s) {
  const auto* p = reinterpret_cast<const unsigned char*>(s);
  while (*p != 0) {
    int more = 0;
    uint32_t code = *p;
    if (*p < 0x80) {
      ++p;
      continue;
    }
    if (*p >= 0xC2 && *p < 0xE0) {
      more = 1;
      code = *p & 0x1Fu;
    } else if (*p >= 0xE0 && *p < 0xF0) {
      more = 2;
      code = *p & 0x0Fu;
    } else if (*p >= 0xF0 && *p < 0xF5) {
      more = 3;
      code = *p & 0x07u;
    } else {
      return false;
    }
    for (int i = 1; i <= more; ++i) {
      if ((p[i] & 0xC0u) != 0x80) return false;
      code = (code << 6) | (p[i] & 0x3Fu);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10FFFF)) ||
        (code >= 0xD800 && code < 0xE000))
      return false;
    p += more + 1;
  }
  return true;
}

}  // namespace

planish_status fail(const Error& error) noexcept {
  try {
    last_error() = {error.what(), error.node(), error.hint()};
  } catch (...) {
    last_error() = {};
  }
  return static_cast<planish_status>(error.code());
}

const char* text(const char* given, const char* what) {
  if (given == nullptr) throw Error(ErrorCode::kInvalidArgument, std::string(what) + " is null");
  if (!is_utf8(given))
    throw Error(ErrorCode::kInvalidArgument, std::string(what) + " is not valid UTF-8");
  return given;
}

}  // namespace planish::capi

using planish::ErrorCode;

const char* planish_version(void) { return PLANISH_VERSION; }

const char* planish_status_name(planish_status status) {
  if (status < 0 || status > static_cast<int>(ErrorCode::kInternal)) return "internal";
  return planish::error_code_name(static_cast<ErrorCode>(status));
}

const char* planish_error_message(void) { return planish::capi::last_error().message.c_str(); }
const char* planish_error_node(void) { return planish::capi::last_error().node.c_str(); }
const char* planish_error_hint(void) { return planish::capi::last_error().hint.c_str(); }

void planish_set_log(int level, planish_log_callback callback, void* user) {
  if (callback == nullptr) {
    planish::set_log(planish::LogLevel::kError, nullptr);
    return;
  }
  const int clamped = level < 0 ? 0 : level > 3 ? 3 : level;
  planish::set_log(static_cast<planish::LogLevel>(clamped),
                   [callback, user](planish::LogLevel l, const std::string& message) {
                     callback(static_cast<int>(l), message.c_str(), user);
                   });
}
