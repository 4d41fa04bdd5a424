// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/str.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish {
namespace {

constexpr int64_t kMaxContents = 1024;

std::map<std::string, OpDef, std::less<>>& registry() {
  static std::map<std::string, OpDef, std::less<>> ops;
  return ops;
}

[[noreturn]] void fail_node(ErrorCode code, const std::string& op, const std::string& node,
                            const std::string& what, std::string hint) {
  throw Error(code, concat(op, " node \"", node, "\": ", what), node, std::move(hint));
}

std::string attr_kind_name(AttrKind kind) {
  static constexpr const char* kNames[] = {"int",     "float",  "string",  "ints", "floats",
                                           "strings", "tensor", "tensors", "type"};
  return kNames[static_cast<size_t>(kind)];
}

std::string arity_text(const Arity& arity) {
  if (arity.min == arity.max) return concat(arity.min);
  if (arity.max == kAnyNumber) return concat("at least ", arity.min);
  return concat(arity.min, " to ", arity.max);
}

int normalize(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) return -1;
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace

const Type& InferContext::input(int i) const {
  if (!has_input(i)) fail(concat("input ", i, " is missing"), ErrorCode::kInvalidModel);
  return *inputs_[static_cast<size_t>(i)];
}

const Shape& InferContext::shape(int i) const {
  const Type& type = input(i);
  if (!type.shape) fail(concat("the rank of input ", i, " is not known"), ErrorCode::kInternal);
  return *type.shape;
}

const Tensor* InferContext::constant(int i) const {
  return has_input(i) ? constants_[static_cast<size_t>(i)] : nullptr;
}

std::optional<Contents> InferContext::contents(int i) const {
  if (!has_input(i)) return std::nullopt;
  if (const Tensor* t = constant(i)) {
    if ((!is_integer(t->dtype()) && t->dtype() != DType::kBool) || t->rank() > 1 ||
        t->count() > kMaxContents)
      return std::nullopt;
    Contents out;
    for (int64_t v : load<int64_t>(*t)) out.emplace_back(Dim(v));
    return out;
  }
  if (const Contents* known = contents_[static_cast<size_t>(i)]) return *known;
  return std::nullopt;
}

std::optional<std::vector<int64_t>> InferContext::integers(int i) const {
  if (const Tensor* t = constant(i)) {
    if (!is_integer(t->dtype()))
      fail(concat("input ", i, ": expected integers, got ", dtype_name(t->dtype())),
           ErrorCode::kInvalidType);
    return load<int64_t>(*t);
  }
  const auto known = contents(i);
  if (!known) return std::nullopt;
  std::vector<int64_t> out;
  for (const auto& item : *known) {
    if (!item || !item->is_constant()) return std::nullopt;
    out.push_back(item->value());
  }
  return out;
}

void InferContext::set_output(int i, Type type) {
  if (i < output_count()) outputs_[static_cast<size_t>(i)] = std::move(type);
}

void InferContext::set_contents(int i, Contents contents) {
  if (i < output_count() && static_cast<int64_t>(contents.size()) <= kMaxContents)
    output_contents_[static_cast<size_t>(i)] = std::move(contents);
}

void InferContext::fail(const std::string& what, ErrorCode code, std::string hint) const {
  fail_node(code, op(), node(), what, std::move(hint));
}

int InferContext::normalize_axis(int64_t axis, int rank) const {
  const int out = normalize(axis, rank);
  if (out < 0) fail(concat("axis ", axis, " is outside of rank ", rank));
  return out;
}

const Datum& KernelContext::datum(int i) const {
  if (!has_input(i)) fail(concat("input ", i, " is missing"), ErrorCode::kInvalidModel);
  return *inputs_[static_cast<size_t>(i)];
}

Tensor& KernelContext::output(int i) {
  if (!wants_output(i)) fail(concat("output ", i, " is not wanted"), ErrorCode::kInternal);
  auto* t = std::get_if<Tensor>(&outputs_[static_cast<size_t>(i)]->held);
  if (t == nullptr) fail(concat("output ", i, " has no tensor yet"), ErrorCode::kInternal);
  return *t;
}

Tensor& KernelContext::allocate(int i, DType type, Dims dims) {
  const int64_t count = element_count(dims);
  budget().check_value_bytes(
      static_cast<int64_t>(std::min<size_t>(dtype_bytes(type, count), INT64_MAX)), node());
  if (!wants_output(i)) fail(concat("output ", i, " is not wanted"), ErrorCode::kInternal);
  *outputs_[static_cast<size_t>(i)] = Tensor(type, std::move(dims));
  return output(i);
}

void KernelContext::set_output(int i, Datum datum) {
  if (!wants_output(i)) fail(concat("output ", i, " is not wanted"), ErrorCode::kInternal);
  Datum& slot = *outputs_[static_cast<size_t>(i)];
  auto* placed = std::get_if<Tensor>(&slot.held);
  if (placed == nullptr || !datum.is_tensor()) {
    slot = std::move(datum);
    return;
  }
  const Tensor& made = datum.tensor();
  if (made.dtype() != placed->dtype() || made.dims() != placed->dims())
    fail(concat("output ", i, " was to be ", dtype_name(placed->dtype()), " ",
                dims_to_string(placed->dims()), ", got ", dtype_name(made.dtype()), " ",
                dims_to_string(made.dims())),
         ErrorCode::kInvalidShape);
  if (made.dtype() == DType::kString)
    placed->string_values() = made.string_values();
  else if (made.bytes() != 0)
    std::memcpy(placed->data(), made.data(), made.bytes());
}

void KernelContext::fail(const std::string& what, ErrorCode code, std::string hint) const {
  fail_node(code, op(), node(), what, std::move(hint));
}

int KernelContext::normalize_axis(int64_t axis, int rank) const {
  const int out = normalize(axis, rank);
  if (out < 0) fail(concat("axis ", axis, " is outside of rank ", rank));
  return out;
}

RegisterOp::RegisterOp(OpDef def) {
  const std::string name = def.name;
  if (!registry().emplace(name, std::move(def)).second)
    throw Error(ErrorCode::kInternal, concat("op ", name, " is registered twice"));
}

const OpDef* find_op(std::string_view name) {
  const auto it = registry().find(name);
  return it == registry().end() ? nullptr : &it->second;
}

const OpDef& get_op(std::string_view name) {
  if (const OpDef* op = find_op(name)) return *op;
  throw Error(ErrorCode::kUnsupported, concat("there is no op ", name));
}

std::vector<const OpDef*> all_ops() {
  std::vector<const OpDef*> out;
  for (const auto& [name, op] : registry()) out.push_back(&op);
  return out;
}

void check_node(const OpDef& op, const std::string& node, const Attributes& attributes,
                const std::vector<std::string>& subgraphs, int inputs, int outputs) {
  auto fail = [&](const std::string& what) {
    fail_node(ErrorCode::kInvalidModel, op.name, node, what, "");
  };
  if (inputs < op.inputs.min || inputs > op.inputs.max)
    fail(concat("expected ", arity_text(op.inputs), " inputs, got ", inputs));
  if (outputs < op.outputs.min || outputs > op.outputs.max)
    fail(concat("expected ", arity_text(op.outputs), " outputs, got ", outputs));
  for (const AttributeSpec& spec : op.attributes) {
    const Attribute* a = attributes.find(spec.name);
    if (a == nullptr) {
      if (spec.is_required) fail(concat("attribute \"", spec.name, "\" is missing"));
      continue;
    }
    const bool is_int_for_float =
        spec.kind == AttrKind::kFloat && std::holds_alternative<int64_t>(*a);
    if (a->index() != static_cast<size_t>(spec.kind) && !is_int_for_float)
      fail(concat("attribute \"", spec.name, "\": expected ", attr_kind_name(spec.kind), ", got ",
                  attribute_kind_name(*a)));
  }
  for (const auto& [name, value] : attributes) {
    const bool known = std::any_of(op.attributes.begin(), op.attributes.end(),
                                   [&](const AttributeSpec& spec) { return spec.name == name; });
    if (!known) fail(concat("there is no attribute \"", name, "\""));
  }
  auto contains = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const std::string& name : op.subgraphs)
    if (!contains(subgraphs, name)) fail(concat("subgraph \"", name, "\" is missing"));
  for (const std::string& name : subgraphs)
    if (!contains(op.subgraphs, name) && !contains(op.optional_subgraphs, name))
      fail(concat("there is no subgraph \"", name, "\""));
}

}  // namespace planish
