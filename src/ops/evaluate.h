// SPDX-License-Identifier: Apache-2.0
// Runs one op on concrete data: shape rule, allocation, portable kernel.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace planish {

// What a control-flow op needs of whoever runs it.
class SubgraphRunner {
 public:
  virtual ~SubgraphRunner() = default;
  virtual bool has(std::string_view name) const = 0;
  // What it returns owns its memory: a later run does not touch it.
  virtual std::vector<Datum> run(std::string_view name, std::vector<Datum> inputs) = 0;
  // Types of the outputs as far as they were known before the run; empty: nothing is known.
  virtual std::vector<Type> output_types(std::string_view) const { return {}; }
};

// The type of a datum, with constant dims. Sequences take their element type from the first item.
Type type_of(const Datum& datum);

// Throws kInvalidModel if an input of an op that takes any number of them is absent. Ops with
// subgraphs check their own.
void check_inputs_present(const OpDef& op, const InferContext& c);

// `inputs`: null where absent. `outputs`: null where not wanted; a wanted output that holds a
// tensor of the right dtype and dims already is written in place, else it is allocated (and charged
// to `budget` as a value whose size comes from data). `runner` may be null for ops without
// subgraphs. Throws what the rule and the kernel throw.
void evaluate(const OpDef& op, const std::string& node, const Attributes& attributes,
              std::span<const Datum* const> inputs, std::span<Datum* const> outputs,
              SubgraphRunner* runner, RunBudget& budget);

// The kernel alone, where every wanted output holds its tensor already (sizes known before).
void run_kernel(const OpDef& op, const std::string& node, const Attributes& attributes,
                std::span<const Datum* const> inputs, std::span<Datum* const> outputs,
                SubgraphRunner* runner, RunBudget& budget);

}  // namespace planish
