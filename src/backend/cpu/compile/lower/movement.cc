// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/kernels/copy.h"
#include "passes/rewrite.h"

namespace planish::cpu {
namespace {

using Inputs = std::vector<ref::StepChoice::Input>;

bool moves_bytes(const ir::Value* v) {
  return has_rank(v) && v->type().shape->size() <= kMaxCopyRank &&
         dtype_bits(v->type().dtype) >= 8 && dtype_bits(v->type().dtype) <= 64;
}

ref::StepChoice step(const char* kernel, Attributes attributes, Inputs inputs) {
  return {.kernel = kernel,
          .attributes = std::move(attributes),
          .inputs = std::move(inputs),
          .tactic = "strided copy"};
}

int64_t rank_of(const ir::Value* v) { return static_cast<int64_t>(v->type().shape->size()); }

int64_t axis_of(const ir::Node& node, int64_t rank, int64_t fallback) {
  const int64_t axis = node.attributes().integer("axis", fallback);
  return axis < 0 ? axis + rank : axis;
}

std::optional<ref::StepChoice> lower_transpose(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  if (!moves_bytes(x)) return std::nullopt;
  std::vector<int64_t> perm(x->type().shape->size());
  for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(perm.size() - 1 - i);
  perm = node.attributes().integers("perm", perm);
  return step("cpu.transpose", {{"perm", perm}}, {x});
}

std::optional<ref::StepChoice> lower_concat(const ir::Node& node, const LowerTarget&) {
  Inputs inputs;
  for (const ir::Value* in : node.inputs()) {
    if (!moves_bytes(in)) return std::nullopt;
    inputs.emplace_back(in);
  }
  return step("cpu.concat", {{"axis", axis_of(node, rank_of(node.output()), 0)}}, inputs);
}

std::optional<ref::StepChoice> lower_split(const ir::Node& node, const LowerTarget&) {
  if (!moves_bytes(node.input(0))) return std::nullopt;
  for (const ir::Value* out : node.outputs())
    if (out == nullptr) return std::nullopt;
  return step("cpu.split", {{"axis", axis_of(node, rank_of(node.input(0)), 0)}}, {node.input(0)});
}

std::optional<ref::StepChoice> lower_slice(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  const auto starts = passes::constant_integers(node.input(1));
  if (!moves_bytes(x) || !starts) return std::nullopt;
  std::vector<int64_t> axes, steps(starts->size(), 1);
  for (size_t i = 0; i < starts->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (node.input(3) != nullptr) {
    const auto given = passes::constant_integers(node.input(3));
    if (!given) return std::nullopt;
    axes = *given;
    for (int64_t& axis : axes) axis += axis < 0 ? rank_of(x) : 0;
  }
  if (node.input(4) != nullptr) {
    const auto given = passes::constant_integers(node.input(4));
    if (!given) return std::nullopt;
    steps = *given;
  }
  return step("cpu.slice", {{"starts", *starts}, {"axes", axes}, {"steps", steps}}, {x});
}

std::optional<ref::StepChoice> lower_expand(const ir::Node& node, const LowerTarget&) {
  if (!moves_bytes(node.input(0)) || rank_of(node.output()) > kMaxCopyRank) return std::nullopt;
  return step("cpu.expand", {}, {node.input(0)});
}

std::optional<ref::StepChoice> lower_pad(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  const auto pads = passes::constant_integers(node.input(1));
  constexpr int64_t kMostPad = int64_t{1} << 31;  // that the kernel takes
  if (!moves_bytes(x) || !pads || std::any_of(pads->begin(), pads->end(), [](int64_t p) {
        return p <= -kMostPad || p >= kMostPad;
      }))
    return std::nullopt;
  int64_t value = 0;
  if (node.input(2) != nullptr) {
    if (!node.input(2)->is_constant() || node.input(2)->constant().count() != 1)
      return std::nullopt;
    std::memcpy(&value, node.input(2)->constant().data(), node.input(2)->constant().bytes());
  }
  std::vector<int64_t> all(2 * x->type().shape->size(), 0);
  if (node.input(3) == nullptr) {
    all = *pads;
  } else {
    const auto axes = passes::constant_integers(node.input(3));
    if (!axes || axes->size() * 2 != pads->size()) return std::nullopt;
    for (size_t i = 0; i < axes->size(); ++i) {
      const auto axis = static_cast<size_t>((*axes)[i] + ((*axes)[i] < 0 ? rank_of(x) : 0));
      all[axis] = (*pads)[i];
      all[all.size() / 2 + axis] = (*pads)[axes->size() + i];
    }
  }
  ref::StepChoice choice = step(
      "cpu.pad",
      {{"pads", all}, {"value", value}, {"mode", node.attributes().text("mode", "constant")}}, {x});
  choice.tactic = "one pass, sources from tables";
  return choice;
}

std::optional<ref::StepChoice> lower_blocks(const ir::Node& node, const LowerTarget&) {
  if (!moves_bytes(node.input(0)) || rank_of(node.input(0)) != 4) return std::nullopt;
  return step("cpu.blocks",
              {{"blocksize", node.attributes().integer("blocksize")},
               {"inverse", int64_t{node.op() == "SpaceToDepth"}},
               {"block_first", int64_t{node.attributes().text("mode", "DCR") == "DCR"}}},
              {node.input(0)});
}

std::optional<ref::StepChoice> lower_gather(const ir::Node& node, const LowerTarget&) {
  if (!moves_bytes(node.input(0)) || rank_of(node.input(0)) == 0) return std::nullopt;
  return step("cpu.gather", {{"axis", axis_of(node, rank_of(node.input(0)), 0)}},
              {node.input(0), node.input(1)});
}

const RegisterLowering kTranspose("Transpose", lower_transpose);
const RegisterLowering kConcat("Concat", lower_concat);
const RegisterLowering kSplit("Split", lower_split);
const RegisterLowering kSlice("Slice", lower_slice);
const RegisterLowering kExpand("Expand", lower_expand);
const RegisterLowering kPad("Pad", lower_pad);
const RegisterLowering kBlocks[] = {{"DepthToSpace", lower_blocks}, {"SpaceToDepth", lower_blocks}};
const RegisterLowering kGather("Gather", lower_gather);

}  // namespace
}  // namespace planish::cpu
