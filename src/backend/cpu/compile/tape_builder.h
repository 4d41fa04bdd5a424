// SPDX-License-Identifier: Apache-2.0
// Pointwise nodes as a tape.
#pragma once

#include <map>
#include <vector>

#include "backend/cpu/kernels/pointwise.h"
#include "ir/graph.h"

namespace planish::cpu {

// Whether the pointwise engine computes this node as the op's definition says.
bool is_tape_node(const ir::Node& node);
// Also beside others in one tape. Narrow floats are rounded in memory only, so their casts are not.
bool is_fusible_tape_node(const ir::Node& node);

// Adds nodes in order; values that were not added before become inputs of the tape, one-element
// constants become constants of it.
class TapeBuilder {
 public:
  // Makes `value` the next input of the tape.
  void add_input(const ir::Value* value);
  // Requires is_tape_node(node). Throws kInternal for a node that is not pointwise.
  void add(const ir::Node& node);
  // The finished tape, with `outputs` as its outputs; once.
  PointwiseTape take(const std::vector<const ir::Value*>& outputs);
  const std::vector<const ir::Value*>& inputs() const { return inputs_; }

 private:
  // A place of a value before the final numbering: inputs, constants and results apart.
  struct Place {
    enum class Kind : uint8_t { kInput, kConstant, kResult } kind = Kind::kInput;
    int32_t index = 0;
  };
  struct Pending {
    TapeInstruction instruction;
    Place a, b, c;
  };

  void add_input(const ir::Value* value, TapeDomain domain);
  Place place(const ir::Value* value, TapeDomain domain);
  Place constant(TapeConstant c);
  Place emit(int op, TapeDomain domain, Place a, Place b, Place c, DType wrap,
             const float* attributes);
  void add_cast(const ir::Node& node);
  void add_row(const ir::Node& node, int row);
  int32_t number(Place p) const;

  PointwiseTape tape_;
  std::vector<const ir::Value*> inputs_;
  std::vector<Pending> pending_;
  std::map<const ir::Value*, Place> places_;
  std::map<const ir::Value*, TapeDomain> domains_;
};

}  // namespace planish::cpu
