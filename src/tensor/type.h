// SPDX-License-Identifier: Apache-2.0
// The type of a value: what is known about it before it exists.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tensor/dim.h"
#include "tensor/dtype.h"

namespace planish {

struct Type {
  enum class Kind : uint8_t { kUnknown, kTensor, kSequence, kOptional, kMap };

  Kind kind = Kind::kUnknown;
  DType dtype =
      DType::kUndefined;          // kTensor: element type (kUndefined: not known); kMap: of values
  std::optional<Shape> shape;     // kTensor: nullopt if even the rank is unknown
  DType key = DType::kUndefined;  // kMap
  std::shared_ptr<const Type> element;  // kSequence, kOptional: may be null (unknown)

  static Type tensor(DType dtype) { return {.kind = Kind::kTensor, .dtype = dtype}; }
  static Type tensor(DType dtype, Shape shape) {
    return {.kind = Kind::kTensor, .dtype = dtype, .shape = std::move(shape)};
  }
  static Type sequence(Type element) {
    return {.kind = Kind::kSequence, .element = std::make_shared<const Type>(std::move(element))};
  }
  static Type optional(Type element) {
    return {.kind = Kind::kOptional, .element = std::make_shared<const Type>(std::move(element))};
  }
  static Type map(DType key, DType value) {
    return {.kind = Kind::kMap, .dtype = value, .key = key};
  }

  bool is_tensor() const { return kind == Kind::kTensor; }
  bool has_rank() const { return is_tensor() && shape.has_value(); }
  bool is_static() const;  // a tensor of known dtype whose dims are all constants
  bool operator==(const Type& other) const;
  std::string to_string() const;  // "float32[batch, 3]", "sequence(int64[?])", "float32[...]"
};

// What both say: the meet. Throws kInvalidShape / kInvalidType when they contradict each other.
// `what` names the value in the message. A constant dim wins over a symbol.
Type merge(const Type& a, const Type& b, const std::string& what);
// What holds for either (control-flow branches): the join; differing dims become nullopt's fresh
// symbols through `fresh`.
template <class Fresh>
Type join_types(const Type& a, const Type& b, Fresh fresh) {
  if (a == b) return a;
  if (a.kind != b.kind) return {};
  Type out = a;
  if (a.dtype != b.dtype) out.dtype = DType::kUndefined;
  if (!a.shape || !b.shape || a.shape->size() != b.shape->size()) {
    out.shape.reset();
  } else {
    for (size_t i = 0; i < a.shape->size(); ++i)
      if (!((*a.shape)[i] == (*b.shape)[i])) (*out.shape)[i] = fresh();
  }
  if (a.element && b.element)
    out.element = std::make_shared<const Type>(join_types(*a.element, *b.element, fresh));
  else
    out.element = nullptr;
  return out;
}

}  // namespace planish
