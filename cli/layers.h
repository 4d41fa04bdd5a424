// SPDX-License-Identifier: Apache-2.0
// The results of an engine's steps against those of the reference.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common.h"
#include "compare.h"
#include "measure.h"

namespace planish::cli {

// A step's output that the reference makes too: a value of the model that no pass took away.
struct LayerRow {
  StepTime step;
  std::string output;  // the value's name; "y~0231": y with its axes in this order
  std::string kind;    // "float32 1x3x8x8"
  Difference difference;
  bool is_same = true;
};

struct Layers {
  size_t outputs = 0;           // of all steps of the network, as far as anybody uses them
  std::vector<LayerRow> rows;   // those that were compared, in the order of the steps
  std::optional<size_t> first;  // the first row that is not the same
};

// Runs both engines on the inputs. Bodies of control flow are seen through the steps that run them.
Layers compare_layers(const Engine& engine, const Engine& reference, const Values& inputs,
                      double tolerance);

void print_layers(const Layers& layers);
Json layers_json(const Layers& layers);

}  // namespace planish::cli
