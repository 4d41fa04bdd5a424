// SPDX-License-Identifier: Apache-2.0
// Work in a process of its own, so that a crash or a hang is a result too.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace planish::dev {

struct ApartLimits {
  unsigned cpu_seconds = 0;   // of the processor
  unsigned wall_seconds = 0;  // of the clock: longer, as others compute too
};

class Apart {
 public:
  // Starts `work`, whose text wait() gets. It must not throw.
  Apart(const std::function<std::string()>& work, ApartLimits limits);
  Apart(const Apart&) = delete;
  Apart& operator=(const Apart&) = delete;

  struct Ending {
    std::string text;   // what the work returned
    std::string fault;  // empty; "crash", or "time" where a limit was reached
    std::string detail;
  };
  // To be called once.
  Ending wait() const;

 private:
  ApartLimits limits_;
  pid_t child_ = 0;
  int from_ = 0;
};

}  // namespace planish::dev
