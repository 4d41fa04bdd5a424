// SPDX-License-Identifier: Apache-2.0
// TypeProtos to types.
#pragma once

#include <map>
#include <set>
#include <string>

#include "import/onnx/proto.h"
#include "tensor/type.h"

namespace planish::onnx {

// Names the dims of one graph's inputs and outputs.
//
// A dim_param is a symbol of that name. If all names in it are symbols of the graph's inputs it may
// be an expression ("past + 1"). Unnamed dims, and those whose value or name means "unknown" (0,
// -1, "?"), get a symbol of their own, named after the value and the axis: "x.0".
class DimNames {
 public:
  // Collects the symbols of the inputs.
  explicit DimNames(const pb::GraphProto& graph);

  Dim dim(const pb::TensorShapeProto::Dimension& proto, const std::string& value, int axis);

 private:
  std::set<std::string> symbols_;
  std::set<std::string> taken_;
};

// `value` names the value for messages and symbols. `names` may be null: then shapes are left out.
// An absent type gives the unknown type. Throws kInvalidModel; kUnsupported for sparse and opaque
// types.
Type to_type(const pb::TypeProto& proto, const std::string& value, DimNames* names);

}  // namespace planish::onnx
