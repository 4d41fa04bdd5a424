// SPDX-License-Identifier: Apache-2.0
// Constant: a constant value of the graph, whatever attribute holds it.
#include "base/str.h"
#include "import/onnx/op_importer.h"
#include "tensor/elements.h"

namespace planish::onnx {
namespace {

Tensor floats(const std::vector<double>& values, Dims dims) {
  Tensor tensor(DType::kF32, std::move(dims));
  store<double>(tensor, values);
  return tensor;
}

Tensor tensor_of(NodeContext& c, const std::string& name, const Attribute& value) {
  if (name == "value" || name == "sparse_value") return c.attributes().tensor(name);
  if (name == "value_float") return floats({c.attributes().real(name)}, {});
  if (name == "value_int") return Tensor::scalar_i64(c.attributes().integer(name));
  if (name == "value_string") return Tensor::strings({}, {c.attributes().text(name)});
  if (name == "value_floats") {
    const auto& list = c.attributes().reals(name);
    return floats(list, {static_cast<int64_t>(list.size())});
  }
  if (name == "value_ints") return Tensor::vector_i64(c.attributes().integers(name));
  if (name == "value_strings") {
    const auto& list = c.attributes().texts(name);
    return Tensor::strings({static_cast<int64_t>(list.size())}, list);
  }
  c.fail(concat("there is no attribute \"", name, "\" (", attribute_kind_name(value), ")"));
}

void import_constant(NodeContext& c) {
  c.no_more_inputs_than(0);
  c.require(c.attributes().size() == 1,
            concat("expected one attribute, got ", c.attributes().size()));
  c.require(c.output_count() == 1, concat("expected one output, got ", c.output_count()));
  const auto& [name, value] = *c.attributes().begin();
  c.set_output(0, c.constant_of(tensor_of(c, name, value), ""));
}

const RegisterImporter kConstant("Constant", import_constant);

}  // namespace
}  // namespace planish::onnx
