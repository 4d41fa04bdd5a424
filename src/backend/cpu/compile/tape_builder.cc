// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/tape_builder.h"

#include <limits>

#include "backend/cpu/compile/tape_rules.h"
#include "base/str.h"
#include "ops/pointwise_run.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::cpu {
namespace {

// The domain in which values of a type are exact; none for what the engine leaves to the reference
// (uint64 has no room in i64, float64 none in f32).
bool domain_of(DType type, TapeDomain* domain) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16: *domain = TapeDomain::kF32; return true;
    case DType::kI64:
    case DType::kI32:
    case DType::kI16:
    case DType::kI8:
    case DType::kU32:
    case DType::kU16:
    case DType::kU8:
    case DType::kBool: *domain = TapeDomain::kI64; return true;
    default: return false;
  }
}

// Narrow floats round after every op; only whole chains in f32 keep the model's meaning.
bool is_exact(DType type) { return type != DType::kF16 && type != DType::kBF16; }

bool fits(const ir::Value* v) {
  TapeDomain domain{};
  return v != nullptr && v->type().is_tensor() && v->type().has_rank() &&
         v->type().shape->size() <= kMaxPointwiseRank && is_exact(v->type().dtype) &&
         domain_of(v->type().dtype, &domain);
}

bool has_loop(int op, TapeDomain domain) {
  const PointwiseTable& table = pointwise_table(Isa::plain);
  return (domain == TapeDomain::kF32 ? table.f32 : table.i64)[op] != nullptr;
}

// Between float32 and a narrow float: memory is converted, and nothing else.
bool is_half_cast(const ir::Node& node) {
  const ir::Value* x = node.input(0);
  const ir::Value* y = node.output();
  if (x == nullptr || y == nullptr || !x->type().has_rank() || !y->type().has_rank() ||
      x->type().shape->size() > kMaxPointwiseRank)
    return false;
  const DType from = x->type().dtype, to = y->type().dtype;
  return (from == DType::kF32 && !is_exact(to)) || (to == DType::kF32 && !is_exact(from));
}

// Cast between a float and an integer, both ways, is defined by what the tape's conversions do;
// from float to an integer narrower than 64 bits only values in range agree.
bool is_tape_cast(const ir::Node& node) {
  return node.op() == "Cast" &&
         ((fits(node.input(0)) && fits(node.output())) || is_half_cast(node));
}

}  // namespace

bool is_fusible_tape_node(const ir::Node& node) {
  return is_tape_node(node) && !(node.op() == "Cast" && is_half_cast(node));
}

bool is_tape_node(const ir::Node& node) {
  if (node.outputs().size() != 1 || !node.subgraphs().empty()) return false;
  if (is_tape_cast(node)) return true;
  const int row = find_pointwise_row(node.op());
  if (row < 0 || !fits(node.output())) return false;
  bool first = true;
  TapeDomain operands = TapeDomain::kF32;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const ir::Value* in = node.inputs()[i];
    if (in == nullptr) {
      if (pointwise_row(row).inputs != PointwiseInputs::kClip) return false;
      continue;
    }
    if (!fits(in)) return false;
    if (pointwise_row(row).inputs == PointwiseInputs::kWhere && i == 0) continue;
    TapeDomain domain{};
    domain_of(in->type().dtype, &domain);
    if (!first && domain != operands) return false;
    operands = domain;
    first = false;
  }
  // Division by a zero that is known only at run time must be reported, which the engine cannot.
  if (operands == TapeDomain::kI64 &&
      (node.op() == "Div" || node.op() == "Mod" || node.op() == "Pow"))
    return false;
  return has_loop(row, operands);
}

void TapeBuilder::add_input(const ir::Value* value) {
  TapeDomain domain{};
  if (!domain_of(value->type().dtype, &domain))
    throw Error(ErrorCode::kInternal, concat("a tape cannot read ", value->type().to_string()));
  add_input(value, domain);
}

void TapeBuilder::add_input(const ir::Value* value, TapeDomain domain) {
  if (places_.count(value) != 0) return;
  places_[value] = {Place::Kind::kInput, static_cast<int32_t>(inputs_.size())};
  domains_[value] = domain;
  inputs_.push_back(value);
  tape_.inputs.push_back({value->type().dtype, domain});
}

TapeBuilder::Place TapeBuilder::constant(TapeConstant c) {
  tape_.constants.push_back(c);
  return {Place::Kind::kConstant, static_cast<int32_t>(tape_.constants.size()) - 1};
}

TapeBuilder::Place TapeBuilder::place(const ir::Value* value, TapeDomain domain) {
  if (places_.count(value) == 0 && value->is_constant() && value->constant().count() == 1) {
    if (domain == TapeDomain::kF32)
      return constant({.domain = domain, .f32 = element<float>(value->constant(), 0)});
    return constant({.domain = domain, .i64 = element<int64_t>(value->constant(), 0)});
  }
  // A mask is read as what its user computes in.
  if (places_.count(value) == 0 && value->type().dtype == DType::kBool) add_input(value, domain);
  if (places_.count(value) == 0) add_input(value);
  const Place p = places_.at(value);
  if (domains_.at(value) == domain) return p;
  return emit(domain == TapeDomain::kF32 ? kTapeToF32 : kTapeToI64, domains_.at(value), p, {}, {},
              DType::kUndefined, nullptr);
}

TapeBuilder::Place TapeBuilder::emit(int op, TapeDomain domain, Place a, Place b, Place c,
                                     DType wrap, const float* attributes) {
  Pending p{.instruction = {.op = op, .domain = domain, .wrap = wrap}, .a = a, .b = b, .c = c};
  if (attributes != nullptr)
    for (int i = 0; i < kMaxPointwiseAttributes; ++i) p.instruction.attributes[i] = attributes[i];
  pending_.push_back(p);
  return {Place::Kind::kResult, static_cast<int32_t>(pending_.size()) - 1};
}

namespace {

// The type that an integer result of fewer than 64 bits is cut down to.
DType wrap_type(DType type) {
  return is_integer(type) && type != DType::kI64 ? type : DType::kUndefined;
}

}  // namespace

void TapeBuilder::add_cast(const ir::Node& node) {
  const ir::Value* x = node.input(0);
  const ir::Value* y = node.output();
  TapeDomain from{}, to{};
  domain_of(x->type().dtype, &from);
  domain_of(y->type().dtype, &to);
  const Place p = place(x, from);
  const bool to_truth = y->type().dtype == DType::kBool;
  Place out{};
  if (from == TapeDomain::kF32 && to == TapeDomain::kI64 && to_truth) {
    out = emit(kTapeToI64, from, emit(kTapeToTruth, from, p, {}, {}, DType::kUndefined, nullptr),
               {}, {}, DType::kUndefined, nullptr);
  } else if (from != to) {
    out = emit(from == TapeDomain::kF32 ? kTapeToI64 : kTapeToF32, from, p, {}, {},
               to == TapeDomain::kI64 ? wrap_type(y->type().dtype) : DType::kUndefined, nullptr);
  } else if (to_truth) {
    out = emit(kTapeToTruth, from, p, {}, {}, DType::kUndefined, nullptr);
  } else {
    out = emit(kTapeCopy, from, p, {}, {}, wrap_type(y->type().dtype), nullptr);
  }
  places_[y] = out;
  domains_[y] = to;
}

void TapeBuilder::add_row(const ir::Node& node, int row) {
  const PointwiseRow& def = pointwise_row(row);
  float attributes[kMaxPointwiseAttributes] = {};
  read_pointwise_attributes(def, node.attributes(), attributes);
  const size_t first = def.inputs == PointwiseInputs::kWhere ? 1 : 0;
  TapeDomain domain{};
  domain_of(node.inputs()[first]->type().dtype, &domain);
  const DType result = node.output()->type().dtype;
  const DType wrap = def.result == PointwiseResult::kTruth ? DType::kUndefined : wrap_type(result);
  Place out{};
  if (def.inputs == PointwiseInputs::kVariadic) {
    out = place(node.inputs()[0], domain);
    if (node.inputs().size() == 1) out = emit(kTapeCopy, domain, out, {}, {}, wrap, nullptr);
    for (size_t i = 1; i < node.inputs().size(); ++i)
      out = emit(row, domain, out, place(node.inputs()[i], domain), {}, wrap, attributes);
  } else if (def.inputs == PointwiseInputs::kClip) {
    auto bound = [&](int i, float f32, int64_t i64) {
      return node.input(i) != nullptr ? place(node.input(i), domain)
                                      : constant({.domain = domain, .f32 = f32, .i64 = i64});
    };
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const Place low = bound(1, -kInfinity, INT64_MIN), high = bound(2, kInfinity, INT64_MAX);
    out = emit(row, domain, place(node.input(0), domain), low, high, wrap, attributes);
  } else {
    Place operands[3];
    for (size_t i = 0; i < node.inputs().size() && i < 3; ++i)
      operands[i] = place(node.inputs()[i], domain);
    out = emit(row, domain, operands[0], operands[1], operands[2], wrap, attributes);
  }
  // A comparison of floats gives 0 and 1 as floats; the value is a bool of the other domain.
  TapeDomain made = domain, wanted{};
  domain_of(result, &wanted);
  if (made != wanted) {
    out = emit(kTapeToI64, made, out, {}, {}, DType::kUndefined, nullptr);
    made = wanted;
  }
  places_[node.output()] = out;
  domains_[node.output()] = made;
}

void TapeBuilder::add(const ir::Node& node) {
  if (node.op() == "Cast") return add_cast(node);
  const int row = find_pointwise_row(node.op());
  if (row < 0) throw Error(ErrorCode::kInternal, concat("a tape cannot compute ", node.op()));
  add_row(node, row);
}

int32_t TapeBuilder::number(Place p) const {
  const auto inputs = static_cast<int32_t>(tape_.inputs.size());
  const auto constants = static_cast<int32_t>(tape_.constants.size());
  switch (p.kind) {
    case Place::Kind::kInput: return p.index;
    case Place::Kind::kConstant: return inputs + p.index;
    case Place::Kind::kResult: return inputs + constants + p.index;
  }
  return 0;
}

PointwiseTape TapeBuilder::take(const std::vector<const ir::Value*>& outputs) {
  for (const Pending& p : pending_) {
    TapeInstruction i = p.instruction;
    i.a = number(p.a);
    i.b = number(p.b);
    i.c = number(p.c);
    tape_.instructions.push_back(i);
  }
  for (const ir::Value* out : outputs)
    tape_.outputs.push_back({number(places_.at(out)), out->type().dtype});
  return without_round_trips(std::move(tape_));
}

}  // namespace planish::cpu
