// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/types.h"

#include <algorithm>
#include <utility>

#include "base/str.h"
#include "import/onnx/tensors.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

bool means_unknown(const std::string& name) {
  return name.empty() || name == "?" || name == "-1" || name == "None";
}

bool is_plain(const std::string& name) {
  return (name[0] < '0' || name[0] > '9') && name.find_first_of("+*/( ") == std::string::npos;
}

const pb::TensorShapeProto* shape_of(const pb::TypeProto& type) {
  return type.has_tensor_type() && type.tensor_type().has_shape() ? &type.tensor_type().shape()
                                                                  : nullptr;
}

std::optional<Dim> parse_expression(const std::string& text) {
  try {
    return Dim::parse(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

DimNames::DimNames(const pb::GraphProto& graph) {
  for (const auto& input : graph.input())
    if (const auto* shape = shape_of(input.type()))
      for (const auto& dim : shape->dim())
        if (dim.has_dim_param() && !means_unknown(dim.dim_param())) {
          taken_.insert(dim.dim_param());
          if (is_plain(dim.dim_param())) symbols_.insert(dim.dim_param());
        }
}

Dim DimNames::dim(const pb::TensorShapeProto::Dimension& proto, const std::string& value,
                  int axis) {
  if (proto.has_dim_value() && proto.dim_value() > 0) return proto.dim_value();
  if (proto.has_dim_value() && proto.dim_value() < -1)
    throw Error(ErrorCode::kInvalidModel,
                concat("value \"", value, "\": dimension ", axis, " is ", proto.dim_value()));
  if (proto.has_dim_param() && !means_unknown(proto.dim_param())) {
    const std::string& name = proto.dim_param();
    if (symbols_.count(name) != 0) return Dim::symbol(name);
    if (const auto parsed = parse_expression(name)) {
      std::map<std::string, DimRange> used;
      parsed->collect_symbols(used);
      const bool known = std::all_of(used.begin(), used.end(), [&](const auto& item) {
        return symbols_.count(item.first) != 0;
      });
      if (known && parsed->range().max >= 0) return *parsed;
    }
    return Dim::symbol(name);
  }
  std::string name = concat(value, ".", axis);
  while (!taken_.insert(name).second) name += "'";
  return Dim::symbol(name);
}

Type to_type(const pb::TypeProto& proto, const std::string& value, DimNames* names) {
  const std::string what = concat("value \"", value, "\"");
  switch (proto.value_case()) {
    case pb::TypeProto::kTensorType: {
      const DType dtype = to_dtype(proto.tensor_type().elem_type(), what);
      const auto* shape = shape_of(proto);
      if (shape == nullptr || names == nullptr) return Type::tensor(dtype);
      Shape dims;
      for (const auto& dim : shape->dim())
        dims.push_back(names->dim(dim, value, static_cast<int>(dims.size())));
      return Type::tensor(dtype, std::move(dims));
    }
    case pb::TypeProto::kSequenceType:
      return Type::sequence(to_type(proto.sequence_type().elem_type(), value, nullptr));
    case pb::TypeProto::kOptionalType:
      return Type::optional(to_type(proto.optional_type().elem_type(), value, names));
    case pb::TypeProto::kMapType: {
      const Type element = to_type(proto.map_type().value_type(), value, nullptr);
      return Type::map(to_dtype(proto.map_type().key_type(), what + " (key)"), element.dtype);
    }
    case pb::TypeProto::kSparseTensorType:
      throw Error(ErrorCode::kUnsupported,
                  what + ": sparse tensors are supported as constants only");
    case pb::TypeProto::kOpaqueType:
      throw Error(ErrorCode::kUnsupported, what + ": opaque types are not supported");
    case pb::TypeProto::VALUE_NOT_SET: break;
  }
  return {};
}

}  // namespace planish::onnx
