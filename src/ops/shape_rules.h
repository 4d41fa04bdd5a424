// SPDX-License-Identifier: Apache-2.0
// What shape rules share: checks that fail in sentences and tolerate what is not known yet.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace planish {

using DTypeTest = bool (*)(DType);
inline bool any_dtype(DType) { return true; }
inline bool is_index_dtype(DType t) { return t == DType::kI32 || t == DType::kI64; }
inline bool is_i64(DType t) { return t == DType::kI64; }
inline bool is_bool(DType t) { return t == DType::kBool; }
inline bool is_string(DType t) { return t == DType::kString; }
inline bool is_number(DType t) { return is_float(t) || is_integer(t); }

// The element type of tensor input i. Fails unless it is unknown or passes `test`; `expected` is
// the word for what passes ("int64", "numbers").
DType check_tensor(const InferContext& c, int i, DTypeTest test = any_dtype,
                   std::string_view expected = "a tensor");
// All inputs [first, last) that are present have one element type, which is returned.
DType check_same_dtype(const InferContext& c, int first, int last);
// No effect while the rank of input i is unknown.
void check_rank(const InferContext& c, int i, int rank);
void check_min_rank(const InferContext& c, int i, int rank);
// Input i holds one element (rank 0, or rank 1 with one element), as far as is known.
void check_single(const InferContext& c, int i);
// Fails if the dims are provably different; otherwise returns the more definite of the two.
Dim check_equal(const InferContext& c, const Dim& a, const Dim& b, std::string_view what);
// Fails if `dim`, a size, is provably negative.
Dim check_size(const InferContext& c, const Dim& dim, std::string_view what);

// Attribute `name` with a value of ONNX's boolean kind.
bool flag(const Attributes& attributes, std::string_view name, bool fallback);
// The dtype that integer attribute `name` numbers; `fallback` where it is absent.
DType dtype_attribute(const InferContext& c, std::string_view name, DType fallback);

// `rank` dims of which nothing is known.
Shape fresh_shape(InferContext& c, size_t rank);
// The number of elements of the vector input i, if it is known.
std::optional<int64_t> known_length(const InferContext& c, int i);
// Output i is a vector or scalar of input `from`'s type whose contents are those of `from`.
void pass_contents(InferContext& c, int from, int to = 0);

// Axes normalised to 0 .. rank-1. Fails on an axis outside of the rank and on a repeated one.
std::vector<int> normalize_axes(const InferContext& c, const std::vector<int64_t>& axes, int rank);
std::vector<int> normalize_axes(const KernelContext& c, const std::vector<int64_t>& axes, int rank);

// Two dims that broadcast against each other, as numpy has it. Where neither is known to be 1: the
// one that is a constant (the other must be 1 or the same); else max(a, b), which is right for
// every pair that broadcasts at all except 0 with 1.
Dim broadcast_dim(const InferContext& c, const Dim& a, const Dim& b);
Shape broadcast_shapes(const InferContext& c, const Shape& a, const Shape& b);
// Of inputs [first, last); nullopt if a rank is unknown.
std::optional<Shape> broadcast_inputs(const InferContext& c, int first, int last);

// Output `i` is a tensor of `dtype` whose shape is unknown where `shape` is.
void set_tensor(InferContext& c, int i, DType dtype, std::optional<Shape> shape);
// Output `i` has input `from`'s type.
void set_like(InferContext& c, int i, int from);

}  // namespace planish
