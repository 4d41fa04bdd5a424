// SPDX-License-Identifier: Apache-2.0
#include "tensor/type.h"

#include "base/str.h"
#include "planish/error.h"

namespace planish {

bool Type::is_static() const {
  return has_rank() && dtype != DType::kUndefined && constant_dims(*shape).has_value();
}

bool Type::operator==(const Type& other) const {
  if (kind != other.kind || dtype != other.dtype || key != other.key || shape != other.shape)
    return false;
  if (!element || !other.element) return element == other.element;
  return *element == *other.element;
}

std::string Type::to_string() const {
  switch (kind) {
    case Kind::kUnknown: return "?";
    case Kind::kTensor:
      return concat(dtype_name(dtype), shape ? planish::to_string(*shape) : "[...]");
    case Kind::kSequence: return concat("sequence(", element ? element->to_string() : "?", ")");
    case Kind::kOptional: return concat("optional(", element ? element->to_string() : "?", ")");
    case Kind::kMap: return concat("map(", dtype_name(key), ", ", dtype_name(dtype), ")");
  }
  return "?";
}

Type merge(const Type& a, const Type& b, const std::string& what) {
  if (a.kind == Type::Kind::kUnknown) return b;
  if (b.kind == Type::Kind::kUnknown) return a;
  if (a.kind != b.kind ||
      (a.dtype != b.dtype && a.dtype != DType::kUndefined && b.dtype != DType::kUndefined))
    throw Error(ErrorCode::kInvalidType,
                concat(what, ": expected ", a.to_string(), ", got ", b.to_string()));
  Type out = a;
  if (out.dtype == DType::kUndefined) out.dtype = b.dtype;
  if (!out.shape) {
    out.shape = b.shape;
  } else if (b.shape) {
    if (a.shape->size() != b.shape->size())
      throw Error(ErrorCode::kInvalidShape,
                  concat(what, ": expected rank ", a.shape->size(), " (", a.to_string(),
                         "), got rank ", b.shape->size(), " (", b.to_string(), ")"));
    for (size_t i = 0; i < a.shape->size(); ++i) {
      const Dim& x = (*a.shape)[i];
      const Dim& y = (*b.shape)[i];
      if (x.is_constant() && y.is_constant() && !(x == y))
        throw Error(ErrorCode::kInvalidShape, concat(what, ": expected ", a.to_string(), ", got ",
                                                     b.to_string(), ": dimension ", i, " differs"));
      if (y.is_constant()) (*out.shape)[i] = y;
    }
  }
  if (a.element && b.element)
    out.element = std::make_shared<const Type>(merge(*a.element, *b.element, what));
  else if (b.element)
    out.element = b.element;
  return out;
}

}  // namespace planish
