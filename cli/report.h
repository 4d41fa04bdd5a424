// SPDX-License-Identifier: Apache-2.0
// An engine as a picture: one self-contained page, or a DOT graph.
#pragma once

#include <optional>
#include <string>

#include "common.h"
#include "measure.h"

namespace planish::cli {

struct Report {
  std::string title, path;
  Json engine;                     // as Engine::describe() gives it
  std::optional<Json> before;      // a program: the graph before the optimiser
  std::string before_is;           // "the model", "the graph that the plan carries"
  std::optional<StepTimes> times;  // of `inputs`
  Json inputs = Json::array();     // name and shape of each
  std::optional<Json> layout;      // as Context::layout() gives it
};

std::string html_page(const Report& report);
// The network's steps; constants are left out.
std::string dot_graph(const Json& engine);

}  // namespace planish::cli
