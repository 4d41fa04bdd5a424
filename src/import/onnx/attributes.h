// SPDX-License-Identifier: Apache-2.0
// AttributeProtos to attributes.
#pragma once

#include <string>

#include "import/onnx/proto.h"
#include "import/onnx/tensors.h"
#include "tensor/attributes.h"

namespace planish::onnx {

// The attribute's type; where a model does not say (IR version 1), the type of the field that is
// filled. Throws kInvalidModel for a number that ONNX does not define or a field that does not
// match.
pb::AttributeProto::AttributeType attribute_type(const pb::AttributeProto& proto,
                                                 const std::string& what);

// Any kind but subgraphs and references. Sparse tensors are made dense. Throws kInvalidModel, and
// kUnsupported for lists of graphs, types and sparse tensors.
Attribute to_attribute(pb::AttributeProto& proto, const std::string& what, TensorReader& tensors);

}  // namespace planish::onnx
