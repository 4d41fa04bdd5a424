// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/runtime/target.h"

#include <charconv>

#include "base/str.h"
#include "planish/error.h"

namespace planish::cuda {

std::string Target::name() const { return concat("sm_", major, minor, is_specific ? "a" : ""); }

const std::vector<Target>& known_targets() {
  static const std::vector<Target> kTargets = {{7, 5, false}, {8, 0, false}, {8, 6, false},
                                               {8, 9, false}, {9, 0, true},  {10, 0, true},
                                               {12, 0, true}};
  return kTargets;
}

std::optional<Target> find_target(std::string_view name) {
  for (const Target& target : known_targets())
    if (target.name() == name) return target;
  return std::nullopt;
}

int best_target(const std::vector<Target>& targets, int major, int minor) {
  int best = -1;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (!targets[i].serves(major, minor)) continue;
    if (best < 0 || targets[i].minor > targets[static_cast<size_t>(best)].minor)
      best = static_cast<int>(i);
  }
  return best;
}

int device_number(const std::string& device) {
  constexpr std::string_view kBefore = "cuda:";
  if (!device.starts_with(kBefore)) return 0;
  int number = 0;
  const char* end = device.data() + device.size();
  const auto [next, error] = std::from_chars(device.data() + kBefore.size(), end, number);
  if (error != std::errc() || next != end || number < 0)
    throw Error(ErrorCode::kInvalidArgument,
                concat("option device: expected cuda or cuda:N, got \"", device, "\""));
  return number;
}

}  // namespace planish::cuda
