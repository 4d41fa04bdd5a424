// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/op_importer.h"

#include <map>
#include <utility>

#include "base/str.h"
#include "tensor/elements.h"

namespace planish::onnx {
namespace {

using Key = std::pair<std::string, std::string>;

std::map<Key, ImportFunction>& registry() {
  static std::map<Key, ImportFunction> importers;
  return importers;
}

// Ops whose versions from `since` on all read as the newest.
struct SimpleRow {
  const char* domain;
  const char* op;
  int64_t since;
};
constexpr SimpleRow kSimple[] = {
#define PLANISH_OP(op, since) {"", #op, since},
#define PLANISH_DOMAIN_OP(domain, op, since) {domain, #op, since},
#include "import/onnx/simple.def"
#undef PLANISH_OP
#undef PLANISH_DOMAIN_OP
};

const std::map<Key, int64_t>& simple_rows() {
  static const std::map<Key, int64_t> rows = [] {
    std::map<Key, int64_t> out;
    for (const SimpleRow& row : kSimple)
      if (!out.emplace(Key{row.domain, row.op}, row.since).second)
        throw Error(ErrorCode::kInternal, concat("simple.def has two rows for ", row.op));
    return out;
  }();
  return rows;
}

void import_simple(NodeContext& c) {
  const int64_t since = simple_rows().at({c.domain(), c.op()});
  if (c.opset() < since) c.unsupported(concat("this op is read from opset ", since, " on"));
  if (c.opset() < 6) c.attributes().erase("consumed_inputs");
  c.finish();
}

}  // namespace

RegisterImporter::RegisterImporter(const char* op, ImportFunction run, const char* domain) {
  if (!registry().emplace(Key{domain, op}, run).second)
    throw Error(ErrorCode::kInternal, concat("the importer of ", op, " is registered twice"));
}

ImportFunction find_importer(const std::string& domain, const std::string& op) {
  const Key key{domain, op};
  const auto it = registry().find(key);
  if (it != registry().end()) return it->second;
  return simple_rows().count(key) != 0 ? import_simple : nullptr;
}

ir::Value* NodeContext::input(int i) const {
  return i >= 0 && i < input_count() ? inputs_[static_cast<size_t>(i)] : nullptr;
}

ir::Value* NodeContext::required(int i) const {
  ir::Value* value = input(i);
  if (value == nullptr) fail(concat("input ", i, " is missing"));
  return value;
}

std::optional<int> NodeContext::rank(ir::Value* value) {
  const Type& type = known_type(value);
  if (!type.has_rank()) return std::nullopt;
  return static_cast<int>(type.shape->size());
}

DType NodeContext::dtype(ir::Value* value) { return known_type(value).dtype; }

std::optional<std::vector<int64_t>> NodeContext::dims(ir::Value* value) {
  const Type& type = known_type(value);
  return type.has_rank() ? constant_dims(*type.shape) : std::nullopt;
}

const Tensor* NodeContext::constant(const ir::Value* value) {
  return value != nullptr && value->is_constant() ? &value->constant() : nullptr;
}

std::optional<std::vector<int64_t>> NodeContext::integers(const ir::Value* value) {
  const Tensor* tensor = constant(value);
  if (tensor == nullptr || !is_integer(tensor->dtype())) return std::nullopt;
  return load<int64_t>(*tensor);
}

std::vector<ir::Value*> NodeContext::emit_many(const std::string& op,
                                               std::vector<ir::Value*> inputs, int outputs,
                                               Attributes attributes) {
  ir::NodeOptions options{.name = concat(name_, "/", op), .attributes = std::move(attributes)};
  return add_node(op, std::move(inputs), outputs, std::move(options), false)->outputs();
}

ir::Value* NodeContext::emit(const std::string& op, std::vector<ir::Value*> inputs,
                             Attributes attributes) {
  return emit_many(op, std::move(inputs), 1, std::move(attributes))[0];
}

ir::Value* NodeContext::constant_of(Tensor tensor, std::string_view stem) {
  return add_constant(stem.empty() ? name_ : concat(name_, "/", stem), std::move(tensor));
}

ir::Value* NodeContext::constant_i64(int64_t value, std::string_view stem) {
  return constant_of(Tensor::scalar_i64(value), stem);
}

ir::Value* NodeContext::constant_i64s(std::span<const int64_t> values, std::string_view stem) {
  return constant_of(Tensor::vector_i64(values), stem);
}

ir::Value* NodeContext::constant_scalar(double value, DType type, std::string_view stem) {
  Tensor tensor(type, {});
  store<double>(tensor, 0, 1, &value);
  return constant_of(std::move(tensor), stem);
}

ir::Value* NodeContext::constant_like(double value, ir::Value* like, std::string_view stem) {
  const DType type = dtype(like);
  if (type == DType::kUndefined)
    unsupported(concat("opset ", opset_, " of this op needs the data type of \"", like->name(),
                       "\", which is not known"));
  return constant_scalar(value, type, stem);
}

ir::Node* NodeContext::finish(const std::string& op, std::vector<ir::Value*> inputs,
                              Attributes attributes) {
  ir::NodeOptions options{.name = name_, .attributes = std::move(attributes), .wanted = wanted_};
  ir::Node* node = add_node(op, std::move(inputs), output_count(), std::move(options), true);
  for (int i = 0; i < output_count(); ++i)
    if (wants(i)) set_output(i, node->output(i));
  return node;
}

std::string NodeContext::op_name() const {
  return domain_.empty() ? op_ : concat(domain_, ".", op_);
}

void NodeContext::fail(const std::string& what, std::string hint) const {
  throw Error(ErrorCode::kInvalidModel, concat(op_, " node \"", name_, "\": ", what), name_,
              std::move(hint));
}

void NodeContext::unsupported(const std::string& why) const {
  throw Error(ErrorCode::kUnsupported, why, name_);
}

void NodeContext::no_more_inputs_than(int n) const {
  if (input_count() > n) fail(concat("expected at most ", n, " inputs, got ", input_count()));
}

}  // namespace planish::onnx
