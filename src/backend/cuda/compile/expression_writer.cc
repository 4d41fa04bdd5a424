// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/expression_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/str.h"
#include "ops/pointwise_run.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::cuda {
namespace {

bool is_half(DType type) { return type == DType::kF16 || type == DType::kBF16; }
bool is_real(DType type) { return is_half(type) || type == DType::kF32 || type == DType::kF64; }

bool is_known(const ir::Value* v) {
  return v != nullptr && v->type().has_rank() && !element_name(v->type().dtype).empty();
}

// Whole numbers may be divided by a zero that is known only at run time, which must be reported.
bool may_divide_by_zero(const ir::Node& node) {
  return (node.op() == "Div" || node.op() == "Mod") && !is_real(node.output()->type().dtype);
}

bool admits(const PointwiseRow& row, DType type) {
  switch (dtype_class(type)) {
    case DTypeClass::kFloat: return (row.classes & PointwiseClass::kFloats) != 0;
    case DTypeClass::kSigned: return (row.classes & PointwiseClass::kSigned) != 0;
    case DTypeClass::kUnsigned: return (row.classes & PointwiseClass::kUnsigned) != 0;
    case DTypeClass::kBool: return (row.classes & PointwiseClass::kBools) != 0;
    default: return false;
  }
}

// The type whose arithmetic a row's operand takes part in: all of one type but for two rows.
DType operand_type(const ir::Node& node, const PointwiseRow& row, size_t i) {
  if (row.inputs == PointwiseInputs::kWhere && i == 0) return DType::kBool;
  if (row.inputs == PointwiseInputs::kWhere) return node.input(1)->type().dtype;
  return node.input(0)->type().dtype;
}

// From float to a whole number only values in range have a meaning; all other casts are exact or
// round.
bool is_cast(const ir::Node& node) {
  return node.op() == "Cast" && is_known(node.input(0)) && is_known(node.output());
}

// What an absent bound of Clip stands for.
std::string no_bound(DType type, bool lowest) {
  if (is_real(type)) return lowest ? "static_cast<T>(-kInf)" : "static_cast<T>(kInf)";
  const int bits = dtype_bits(type) - (dtype_class(type) == DTypeClass::kSigned ? 1 : 0);
  const uint64_t greatest = UINT64_MAX >> (64 - bits);
  if (!lowest) return concat("static_cast<T>(", greatest, "ULL)");
  if (dtype_class(type) != DTypeClass::kSigned) return "static_cast<T>(0)";
  return concat("static_cast<T>(-static_cast<i64>(", greatest, "ULL) - 1)");
}

std::string real_literal(double value) {
  if (std::isnan(value)) return "kNan";
  if (std::isinf(value)) return value < 0 ? "-kInf" : "kInf";
  char digits[64];
  std::snprintf(digits, sizeof(digits), "%.17g", value);
  std::string text = digits;
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string_view mover_name(DType type) {
  switch (dtype_bits(type)) {
    case 8: return "u8";
    case 16: return "u16";
    case 32: return "u32";
    case 64: return "u64";
    default: return {};
  }
}

std::string_view number_name(DType type) {
  if (element_name(type).empty() || type == DType::kBool) return {};
  if (type == DType::kF64) return "double";
  if (is_real(type)) return "float";
  return dtype_class(type) == DTypeClass::kSigned ? "planish::i64" : "planish::u64";
}

std::string_view element_name(DType type) {
  switch (type) {
    case DType::kF32: return "f32";
    case DType::kF16: return "f16";
    case DType::kBF16: return "bf16";
    case DType::kF64: return "f64";
    case DType::kI8: return "i8";
    case DType::kI16: return "i16";
    case DType::kI32: return "i32";
    case DType::kI64: return "i64";
    case DType::kU8: return "u8";
    case DType::kU16: return "u16";
    case DType::kU32: return "u32";
    case DType::kU64: return "u64";
    case DType::kBool: return "boolean";
    default: return {};
  }
}

std::string computed_type(DType type) {
  if (is_half(type) || type == DType::kF32) return "float";
  if (type == DType::kF64) return "double";
  if (type == DType::kBool) return "bool";
  return std::string(element_name(type));
}

std::string literal(const Tensor& scalar, DType type) {
  const std::string t = computed_type(type);
  if (is_real(type))
    return concat("static_cast<", t, ">(", real_literal(element<double>(scalar, 0)), ")");
  if (type == DType::kU64)
    return concat("static_cast<", t, ">(", element<uint64_t>(scalar, 0), "ULL)");
  const auto value = element<int64_t>(scalar, 0);
  if (value == INT64_MIN) return concat("static_cast<", t, ">(-9223372036854775807LL - 1)");
  return concat("static_cast<", t, ">(", value, "LL)");
}

bool is_pointwise(const ir::Node& node) {
  if (node.outputs().size() != 1 || node.output() == nullptr || !node.subgraphs().empty())
    return false;
  if (is_cast(node)) return true;
  const int at = find_pointwise_row(node.op());
  if (at < 0 || !is_known(node.output()) || node.input(0) == nullptr) return false;
  const PointwiseRow& row = pointwise_row(at);
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const ir::Value* in = node.inputs()[i];
    if (in == nullptr && row.inputs == PointwiseInputs::kClip && i > 0) continue;
    if (!is_known(in)) return false;
    const bool is_condition = row.inputs == PointwiseInputs::kWhere && i == 0;
    if (!is_condition && !admits(row, in->type().dtype)) return false;
  }
  return !may_divide_by_zero(node);
}

bool is_float_pointwise(const ir::Node& node) {
  if (!is_pointwise(node)) return false;
  const auto is_float_or_truth = [](const ir::Value* v) {
    if (v == nullptr) return true;
    const DType type = v->type().dtype;
    return type == DType::kF32 || is_half(type) || type == DType::kBool;
  };
  return std::all_of(node.inputs().begin(), node.inputs().end(), is_float_or_truth) &&
         is_float_or_truth(node.output());
}

void ExpressionWriter::name_value(const ir::Value* value, std::string name) {
  names_[value] = std::move(name);
}

std::string ExpressionWriter::value(const ir::Value* value) const {
  const auto it = names_.find(value);
  if (it != names_.end()) return it->second;
  if (value->is_constant() && value->constant().count() == 1)
    return literal(value->constant(), value->type().dtype);
  throw Error(ErrorCode::kInternal, concat("an expression has no value ", value->name()));
}

std::string ExpressionWriter::operand(const ir::Value* value, DType type) const {
  const DType own = value->type().dtype;
  std::string text = this->value(value);
  if (computed_type(own) == computed_type(type)) return text;
  return concat("static_cast<", computed_type(type), ">(", text, ")");
}

void ExpressionWriter::declare(const ir::Value* value) {
  const std::string name = concat("v", next_++);
  text_ += concat("    ", computed_type(value->type().dtype), " ", name, ";\n");
  names_[value] = name;
}

void ExpressionWriter::add(const ir::Node& node) {
  if (node.op() != "Cast") return add_row(node);
  const DType from = node.input(0)->type().dtype;
  const DType to = node.output()->type().dtype;
  const std::string x = value(node.input(0));
  declare(node.output());
  const std::string& name = names_.at(node.output());
  if (to == DType::kBool)
    text_ += concat("    ", name, " = truth(", x, ");\n");
  else if (to == from || (is_real(from) && to == DType::kF32 && from != DType::kF64))
    text_ += concat("    ", name, " = ", x, ";\n");
  else  // what the model rounds stays rounded
    text_ += concat("    ", name, " = computed(stored<", element_name(to), ">(", x, "));\n");
}

void ExpressionWriter::add_row(const ir::Node& node) {
  const PointwiseRow& row = pointwise_row(find_pointwise_row(node.op()));
  std::vector<std::string> operands;
  for (size_t i = 0; i < node.inputs().size(); ++i)
    operands.push_back(node.inputs()[i] == nullptr
                           ? std::string()
                           : operand(node.inputs()[i], operand_type(node, row, i)));
  const DType type = row.inputs == PointwiseInputs::kWhere ? node.input(1)->type().dtype
                                                           : node.input(0)->type().dtype;
  declare(node.output());
  const std::string name = names_.at(node.output());
  text_ += concat("    {\n      using T = ", computed_type(type), ";\n");
  text_ += "      [[maybe_unused]] const auto k = [](double c) { return static_cast<T>(c); };\n";
  float numbers[kMaxPointwiseAttributes] = {};
  read_pointwise_attributes(row, node.attributes(), numbers);
  for (int i = 0; i < row.attribute_count(); ++i)
    text_ += concat("      [[maybe_unused]] constexpr double ",
                    row.attributes[static_cast<size_t>(i)].name, " = ",
                    real_literal(static_cast<double>(numbers[i])), ";\n");
  const char* letters[] = {"a", "b", "c"};
  if (row.inputs == PointwiseInputs::kVariadic) {
    text_ += concat("      T a = ", operands[0], ";\n");
    for (size_t i = 1; i < operands.size(); ++i)
      text_ += concat("      { const T b = ", operands[i], "; a = ", row.expression, "; }\n");
    text_ += concat("      ", name, " = a;\n    }\n");
    return;
  }
  for (int i = 0; i < row.arity(); ++i) {
    const auto at = static_cast<size_t>(i);
    std::string x = at < operands.size() ? operands[at] : std::string();
    if (x.empty()) x = no_bound(type, i == 1);
    text_ += concat("      const auto ", letters[i], " = ", x, ";\n");
  }
  text_ += concat("      ", name, " = ", row.expression, ";\n    }\n");
}

namespace {

// The node and what it is computed from, within its graph.
std::set<const ir::Node*> with_producers(const ir::Node& node) {
  std::set<const ir::Node*> out;
  std::vector<const ir::Node*> left{&node};
  while (!left.empty()) {
    const ir::Node* at = left.back();
    left.pop_back();
    if (!out.insert(at).second) continue;
    for (const ir::Value* in : at->inputs())
      if (in != nullptr && in->producer() != nullptr && in->graph() == node.graph())
        left.push_back(in->producer());
  }
  return out;
}

void write_body(const ir::Node& node, const ir::Node* done, ExpressionWriter& writer) {
  const ir::Graph* body = node.subgraph("body");
  if (body == nullptr) return writer.add(node);
  const std::set<const ir::Node*> before =
      done != nullptr ? with_producers(*done) : std::set<const ir::Node*>();
  for (const auto& inner : body->nodes())
    if (before.count(inner.get()) == 0) writer.add(*inner);
}

// Values that the nodes take from outside, each once; single constants become literals.
std::vector<const ir::Value*> outer_inputs(const ir::Node& node) {
  std::vector<const ir::Value*> out;
  const auto add = [&](const ir::Value* v) {
    const bool is_literal = v != nullptr && v->is_constant() && v->constant().count() == 1;
    if (v != nullptr && !is_literal && std::find(out.begin(), out.end(), v) == out.end())
      out.push_back(v);
  };
  if (const ir::Graph* body = node.subgraph("body")) {
    for (const ir::Value* in : body->inputs()) add(in);
    for (const auto& inner : body->nodes())
      for (const ir::Value* in : inner->inputs())
        if (in != nullptr && in->is_constant()) add(in);
  } else {
    for (const ir::Value* in : node.inputs()) add(in);
  }
  return out;
}

// Whether a node uses the value that is not the root or feeds it.
bool is_used_beside(const ir::Value* v, const ir::Node& root) {
  const std::set<const ir::Node*> before = with_producers(root);
  return std::any_of(v->uses().begin(), v->uses().end(),
                     [&](const ir::Use& u) { return before.count(u.node) == 0; });
}

}  // namespace

PointwiseFunctor write_pointwise(const ir::Node& node, const ir::Node* done) {
  PointwiseFunctor out;
  for (const ir::Value* v : outer_inputs(node))
    if (done == nullptr || is_used_beside(v, *done)) out.inputs.push_back(v);
  if (done != nullptr) out.inputs.push_back(done->output());
  ExpressionWriter writer;
  std::string parameters, loads;
  for (size_t i = 0; i < out.inputs.size(); ++i) {
    const DType type = out.inputs[i]->type().dtype;
    parameters += concat(i == 0 ? "" : ", ", element_name(type), " x", i);
    const std::string name = concat("u", i);
    loads += concat("    const ", computed_type(type), " ", name, " = computed(x", i, ");\n");
    writer.name_value(out.inputs[i], name);
  }
  write_body(node, done, writer);
  const ir::Graph* body = node.subgraph("body");
  const ir::Value* result = body != nullptr ? body->outputs()[0] : node.output();
  const std::string_view stored = element_name(result->type().dtype);
  out.text = concat("namespace planish::pointwise {\nstruct Expression {\n  static PLANISH_DEVICE ",
                    stored, " apply(", parameters, ") {\n", loads, writer.statements(),
                    "    return pointwise::stored<", stored, ">(", writer.value(result),
                    ");\n  }\n};\n}  // namespace planish::pointwise\n");
  return out;
}

TailFunctor write_tail(const ir::Node& node, const ir::Node& root, const ir::Value* bias) {
  TailFunctor out;
  ExpressionWriter writer;
  const ir::Graph* body = root.graph()->owner() == &node ? node.subgraph("body") : nullptr;
  std::string result = "x";
  std::string text;
  const auto operand = [&](const ir::Value* v) {
    const auto it = std::find(out.operands.begin(), out.operands.end(), v);
    const auto i = static_cast<size_t>(it - out.operands.begin());
    if (it == out.operands.end()) out.operands.push_back(v);
    return concat("in[", i, "]");
  };
  if (bias != nullptr) {
    text = concat("    x = x + ", operand(bias), ";\n");
  }
  if (body != nullptr) {
    writer.name_value(root.output(), "x");
    for (const ir::Value* v : outer_inputs(node)) {
      if (!is_used_beside(v, root)) continue;
      const bool is_truth = v->type().dtype == DType::kBool;
      writer.name_value(v, is_truth ? concat("(", operand(v), " != 0.0f)") : operand(v));
    }
    write_body(node, &root, writer);
    result = writer.value(body->outputs()[0]);
  }
  out.is_empty = out.operands.empty() && result == "x";
  out.text = concat(text, writer.statements(), "    return static_cast<float>(", result, ");\n");
  return out;
}

}  // namespace planish::cuda
