// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace planish {
namespace {

constexpr int kOff = -1;

int level_from_environment() {
  const char* text = std::getenv("PLANISH_LOG");
  if (text == nullptr) return kOff;
  static constexpr const char* kNames[] = {"error", "warning", "info", "debug"};
  for (int i = 0; i < 4; ++i)
    if (std::string(text) == kNames[i]) return i;
  return kOff;
}

struct State {
  std::mutex mutex;
  std::atomic<int> level{level_from_environment()};
  LogSink sink;
};

State& state() {
  static State s;
  return s;
}

}  // namespace

void set_log(LogLevel level, LogSink sink) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.level = sink ? static_cast<int>(level) : level_from_environment();
  s.sink = std::move(sink);
}

bool log_enabled(LogLevel level) {
  return static_cast<int>(level) <= state().level.load(std::memory_order_relaxed);
}

void log(LogLevel level, const std::string& message) {
  if (!log_enabled(level)) return;
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.sink)
    s.sink(level, message);
  else
    std::fprintf(stderr, "planish: %s\n", message.c_str());
}

}  // namespace planish
