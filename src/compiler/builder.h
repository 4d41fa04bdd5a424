// SPDX-License-Identifier: Apache-2.0
// Model in, plan out: import, passes, backend. No logic of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "ir/graph.h"
#include "plan/plan.h"
#include "planish/export.h"

namespace planish {

// Told what is done, how far the build is (0 to 1) and how long it has taken; false cancels it.
using BuildProgress =
    std::function<bool(const std::string& stage, double fraction, double seconds)>;

struct BuildRequest {
  Options options;
  // The shapes that each profile allows, by input; inputs without an entry keep their declared
  // shape.
  std::vector<std::map<std::string, plan::DimsRange>> profiles;
  BuildProgress progress;
  // How the user would make the plan again, for whoever is refused an old one; empty: made up.
  std::string command;
};

// Throw kFileError, kInvalidModel, kUnsupported, kInvalidArgument (options and shapes), kCancelled,
// kBudgetExceeded (build_seconds and the other budgets) and what the ops' rules throw.
PLANISH_API plan::Plan build_file(const std::string& path, const BuildRequest& request);
PLANISH_API plan::Plan build_bytes(std::span<const std::byte> model, const BuildRequest& request);
// The graph is used up. It must be inferred or inferable; shapes of `profiles` apply to its inputs.
PLANISH_API plan::Plan build_graph(std::unique_ptr<ir::Graph> graph, const BuildRequest& request);

// "1x3x224x224" as dims, "" as a scalar. Throws kInvalidArgument.
PLANISH_API Dims parse_dims(const std::string& text);

}  // namespace planish
