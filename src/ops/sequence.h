// SPDX-License-Identifier: Apache-2.0
// What the ops on sequences share.
#pragma once

#include "base/str.h"
#include "ops/computing.h"
#include "ops/op.h"
#include "ops/shape_rules.h"

namespace planish {

// The type of the items of sequence input i; unknown if nothing is known of them. Fails if the
// input is no sequence.
inline Type check_sequence(const InferContext& c, int i) {
  const Type& type = c.input(i);
  if (type.kind == Type::Kind::kUnknown) return {};
  if (type.kind != Type::Kind::kSequence)
    c.fail(concat("input ", i, ": expected a sequence, got ", type.to_string()),
           ErrorCode::kInvalidType);
  return type.element ? *type.element : Type{};
}

// Sequences hold tensors of one element type. What two items of a sequence have in common; fails if
// their element types differ.
inline Type common_item(InferContext& c, const Type& a, const Type& b) {
  if (a.kind == Type::Kind::kUnknown) return b;
  if (b.kind == Type::Kind::kUnknown) return a;
  if (a.dtype != b.dtype && a.dtype != DType::kUndefined && b.dtype != DType::kUndefined)
    c.fail(concat("expected items of type ", dtype_name(a.dtype), ", got ", b.to_string()),
           ErrorCode::kInvalidType);
  return join_types(a, b, [&] { return c.fresh_dim(); });
}

// The integer in scalar input i.
inline int64_t position_input(const KernelContext& c, int i) {
  c.require(c.input(i).count() == 1, "position: expected one integer");
  return element<int64_t>(c.input(i), 0);
}

inline void check_position(const InferContext& c, int i) {
  check_tensor(c, i, is_index_dtype, "int32 or int64");
  check_single(c, i);
}

}  // namespace planish
