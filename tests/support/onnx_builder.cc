// SPDX-License-Identifier: Apache-2.0
#include "support/onnx_builder.h"

#include <span>

#include "base/str.h"
#include "tensor/elements.h"

namespace planish::testing {
namespace {

template <class Values>
pb::TensorProto tensor_of(const std::string& name, DType type, const Values& dims) {
  pb::TensorProto t;
  t.set_name(name);
  t.set_data_type(static_cast<int>(type));
  for (const int64_t d : dims) t.add_dims(d);
  return t;
}

pb::AttributeProto attr_of(const std::string& name, pb::AttributeProto::AttributeType type) {
  pb::AttributeProto a;
  a.set_name(name);
  a.set_type(type);
  return a;
}

}  // namespace

pb::AttributeProto attr(const std::string& name, int64_t value) {
  auto a = attr_of(name, pb::AttributeProto::INT);
  a.set_i(value);
  return a;
}
pb::AttributeProto attr(const std::string& name, float value) {
  auto a = attr_of(name, pb::AttributeProto::FLOAT);
  a.set_f(value);
  return a;
}
pb::AttributeProto attr(const std::string& name, const char* value) {
  auto a = attr_of(name, pb::AttributeProto::STRING);
  a.set_s(value);
  return a;
}
pb::AttributeProto attr(const std::string& name, const std::vector<int64_t>& values) {
  auto a = attr_of(name, pb::AttributeProto::INTS);
  for (const int64_t v : values) a.add_ints(v);
  return a;
}
pb::AttributeProto attr(const std::string& name, const std::vector<float>& values) {
  auto a = attr_of(name, pb::AttributeProto::FLOATS);
  for (const float v : values) a.add_floats(v);
  return a;
}
pb::AttributeProto attr(const std::string& name, const std::vector<std::string>& values) {
  auto a = attr_of(name, pb::AttributeProto::STRINGS);
  for (const std::string& v : values) a.add_strings(v);
  return a;
}
pb::AttributeProto attr(const std::string& name, const pb::TensorProto& value) {
  auto a = attr_of(name, pb::AttributeProto::TENSOR);
  *a.mutable_t() = value;
  return a;
}
pb::AttributeProto attr(const std::string& name, const pb::GraphProto& value) {
  auto a = attr_of(name, pb::AttributeProto::GRAPH);
  *a.mutable_g() = value;
  return a;
}
pb::AttributeProto attr_ref(const std::string& name, const std::string& of,
                            pb::AttributeProto::AttributeType type) {
  auto a = attr_of(name, type);
  a.set_ref_attr_name(of);
  return a;
}

pb::TensorProto float_tensor(const std::string& name, const std::vector<int64_t>& dims,
                             const std::vector<float>& values) {
  auto t = tensor_of(name, DType::kF32, dims);
  for (const float v : values) t.add_float_data(v);
  return t;
}
pb::TensorProto int64_tensor(const std::string& name, const std::vector<int64_t>& dims,
                             const std::vector<int64_t>& values) {
  auto t = tensor_of(name, DType::kI64, dims);
  for (const int64_t v : values) t.add_int64_data(v);
  return t;
}
pb::TensorProto raw_tensor(const std::string& name, DType type, const std::vector<int64_t>& dims,
                           const std::string& bytes) {
  auto t = tensor_of(name, type, dims);
  t.set_raw_data(bytes);
  return t;
}
pb::TensorProto external_tensor(const std::string& name, const std::vector<int64_t>& dims,
                                const std::string& location, const std::string& offset,
                                const std::string& length) {
  auto t = tensor_of(name, DType::kF32, dims);
  t.set_data_location(pb::TensorProto::EXTERNAL);
  auto add = [&t](const char* key, const std::string& value) {
    auto* entry = t.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  };
  add("location", location);
  if (!offset.empty()) add("offset", offset);
  if (!length.empty()) add("length", length);
  return t;
}

pb::NodeProto make_node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs,
                        const std::vector<pb::AttributeProto>& attributes) {
  pb::NodeProto node;
  const size_t colon = op.find("::");
  node.set_op_type(colon == std::string::npos ? op : op.substr(colon + 2));
  if (colon != std::string::npos) node.set_domain(op.substr(0, colon));
  for (const std::string& i : inputs) node.add_input(i);
  for (const std::string& o : outputs) node.add_output(o);
  for (const auto& a : attributes) *node.add_attribute() = a;
  return node;
}

pb::ValueInfoProto make_value(const std::string& name, DType type,
                              const std::vector<DimSpec>& dims) {
  pb::ValueInfoProto value;
  value.set_name(name);
  auto* tensor = value.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(static_cast<int>(type));
  auto* shape = tensor->mutable_shape();
  for (const DimSpec& spec : dims) {
    auto* dim = shape->add_dim();
    if (const auto* number = std::get_if<int64_t>(&spec))
      dim->set_dim_value(*number);
    else
      dim->set_dim_param(std::get<std::string>(spec));
  }
  return value;
}

GraphBuilder& GraphBuilder::input(const std::string& name, DType type,
                                  const std::vector<DimSpec>& dims) {
  *graph_->add_input() = make_value(name, type, dims);
  return *this;
}
GraphBuilder& GraphBuilder::constant(const pb::TensorProto& tensor) {
  *graph_->add_initializer() = tensor;
  return *this;
}
GraphBuilder& GraphBuilder::node(const std::string& op, const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs,
                                 const std::vector<pb::AttributeProto>& attributes) {
  *graph_->add_node() = make_node(op, inputs, outputs, attributes);
  return *this;
}
GraphBuilder& GraphBuilder::output(const std::string& name) {
  graph_->add_output()->set_name(name);
  return *this;
}

ModelBuilder::ModelBuilder(int64_t opset, int64_t ir_version) : GraphBuilder(nullptr) {
  graph_ = model_.mutable_graph();
  graph_->set_name("g");
  model_.set_ir_version(ir_version);
  this->opset("", opset);
}

ModelBuilder& ModelBuilder::opset(const std::string& domain, int64_t version) {
  auto* import = model_.add_opset_import();
  import->set_domain(domain);
  import->set_version(version);
  return *this;
}

pb::FunctionProto& ModelBuilder::function(const std::string& domain, const std::string& name,
                                          const std::vector<std::string>& inputs,
                                          const std::vector<std::string>& outputs) {
  auto* f = model_.add_functions();
  f->set_domain(domain);
  f->set_name(name);
  for (const std::string& i : inputs) f->add_input(i);
  for (const std::string& o : outputs) f->add_output(o);
  return *f;
}

std::unique_ptr<ir::Graph> ModelBuilder::import(const onnx::ImportOptions& options) const {
  return import_text(bytes(), options);
}

std::string ModelBuilder::text(const onnx::ImportOptions& options) const {
  return summary(*import(options));
}

Error ModelBuilder::error(const onnx::ImportOptions& options) const {
  return error_of([&] { import(options); });
}

namespace {

std::string operand(const ir::Value* value) {
  if (value == nullptr) return "_";
  if (!value->is_constant() || value->constant().count() > 8) return value->name();
  const Tensor& t = value->constant();
  if (t.dtype() == DType::kString) return concat("[", join(t.string_values(), " "), "]");
  const std::string items =
      is_float(t.dtype()) ? join(load<double>(t), " ") : join(load<int64_t>(t), " ");
  return t.rank() == 0 ? items : concat("[", items, "]");
}

std::string attribute_text(const Attribute& a) {
  if (const auto* v = std::get_if<int64_t>(&a)) return concat(*v);
  if (const auto* v = std::get_if<double>(&a)) return concat(*v);
  if (const auto* v = std::get_if<std::string>(&a)) return *v;
  if (const auto* v = std::get_if<std::vector<int64_t>>(&a)) return concat("[", join(*v, " "), "]");
  return std::string(attribute_kind_name(a));
}

void append(const ir::Graph& graph, const std::string& indent, std::string& out) {
  for (const auto& node : graph.nodes()) {
    std::vector<std::string> inputs, outputs;
    for (const ir::Value* v : node->inputs()) inputs.push_back(operand(v));
    for (const ir::Value* v : node->outputs()) outputs.push_back(operand(v));
    out += concat(indent, join(outputs, ", "), " = ", node->op(), "(", join(inputs, ", "), ")");
    for (const auto& [name, value] : node->attributes())
      out += concat(" ", name, "=", attribute_text(value));
    out += "\n";
    for (const auto& [name, body] : node->subgraphs()) {
      out += concat(indent, "  ", name, ":\n");
      append(*body, indent + "    ", out);
    }
  }
}

}  // namespace

std::string summary(const ir::Graph& graph) {
  std::string out;
  append(graph, "", out);
  return out;
}

std::unique_ptr<ir::Graph> import_text(const std::string& bytes,
                                       const onnx::ImportOptions& options) {
  return onnx::import_bytes(std::as_bytes(std::span(bytes)), options);
}

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "expected an error";
  return Error(ErrorCode::kOk, "");
}

}  // namespace planish::testing
