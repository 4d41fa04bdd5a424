// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/attributes.h"

#include <vector>

#include "base/str.h"
#include "import/onnx/types.h"
#include "planish/error.h"

namespace planish::onnx {

using Proto = pb::AttributeProto;

Proto::AttributeType attribute_type(const Proto& proto, const std::string& what) {
  if (proto.has_type() && proto.type() != Proto::UNDEFINED) return proto.type();
  // A number that the schema lacks is kept among the unknown fields, under the tag of `type`.
  const bool is_unknown = proto.unknown_fields().find("\xA0\x01") != std::string::npos;
  if (is_unknown)
    throw Error(ErrorCode::kInvalidModel,
                concat(what, ": the attribute's type is not one of ONNX's"));
  if (proto.has_f()) return Proto::FLOAT;
  if (proto.has_i()) return Proto::INT;
  if (proto.has_s()) return Proto::STRING;
  if (proto.has_t()) return Proto::TENSOR;
  if (proto.has_g()) return Proto::GRAPH;
  if (proto.has_sparse_tensor()) return Proto::SPARSE_TENSOR;
  if (proto.has_tp()) return Proto::TYPE_PROTO;
  if (proto.floats_size() != 0) return Proto::FLOATS;
  if (proto.ints_size() != 0) return Proto::INTS;
  if (proto.strings_size() != 0) return Proto::STRINGS;
  if (proto.tensors_size() != 0) return Proto::TENSORS;
  if (proto.graphs_size() != 0) return Proto::GRAPHS;
  throw Error(ErrorCode::kInvalidModel, concat(what, ": the attribute has neither type nor value"));
}

Attribute to_attribute(Proto& proto, const std::string& what, TensorReader& tensors) {
  switch (attribute_type(proto, what)) {
    case Proto::FLOAT: return static_cast<double>(proto.f());
    case Proto::INT: return static_cast<int64_t>(proto.i());
    case Proto::STRING: return proto.s();
    case Proto::TENSOR: return tensors.read(*proto.mutable_t(), what);
    case Proto::SPARSE_TENSOR: return tensors.read(*proto.mutable_sparse_tensor(), what);
    case Proto::TYPE_PROTO: {
      Type type = to_type(proto.tp(), what, nullptr);
      return type;
    }
    case Proto::FLOATS: return std::vector<double>(proto.floats().begin(), proto.floats().end());
    case Proto::INTS: return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
    case Proto::STRINGS:
      return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
    case Proto::TENSORS: {
      std::vector<Tensor> out;
      for (auto& t : *proto.mutable_tensors()) out.push_back(tensors.read(t, what));
      return out;
    }
    default:
      throw Error(ErrorCode::kUnsupported,
                  concat(what, ": lists of graphs, types or sparse tensors are not supported"));
  }
}

}  // namespace planish::onnx
