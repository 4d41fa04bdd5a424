// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/runtime/target.h"

#include "base/str.h"

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

}  // namespace planish::cuda
