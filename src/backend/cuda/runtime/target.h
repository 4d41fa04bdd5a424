// SPDX-License-Identifier: Apache-2.0
// Which GPUs machine code runs on. "sm_80" serves every chip 8.x from 8.0 on; "sm_90a" its own chip
// alone. Code for an older major version never serves a newer one: Planish does not rely on PTX.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace planish::cuda {

struct Target {
  int major = 0;
  int minor = 0;
  bool is_specific = false;  // "a": the chip's own instructions

  std::string name() const;  // "sm_90a"
  int number() const { return major * 10 + minor; }
  bool serves(int chip_major, int chip_minor) const {
    return major == chip_major && (is_specific ? minor == chip_minor : minor <= chip_minor);
  }
  bool operator==(const Target&) const = default;
};

// The targets that Planish makes code for, oldest first.
const std::vector<Target>& known_targets();
// nullopt if there is none of this name.
std::optional<Target> find_target(std::string_view name);
// The best of `targets` for a chip, as an index; -1 if none serves it.
int best_target(const std::vector<Target>& targets, int major, int minor);

// The device that option `device` names: N of "cuda:N", else 0. Throws kInvalidArgument.
int device_number(const std::string& device);

}  // namespace planish::cuda
