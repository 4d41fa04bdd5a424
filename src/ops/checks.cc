// SPDX-License-Identifier: Apache-2.0
#include "ops/checks.h"

#include "base/str.h"

namespace planish {

bool has_dtype(const InferContext& c, int i) {
  return c.has_input(i) && c.input(i).is_tensor() && c.dtype(i) != DType::kUndefined;
}

void check_same_dtype_pair(const InferContext& c, int i, int j) {
  if (!has_dtype(c, i) || !has_dtype(c, j) || c.dtype(i) == c.dtype(j)) return;
  c.fail(concat("inputs ", i, " and ", j, ": expected one data type, got ", dtype_name(c.dtype(i)),
                " and ", dtype_name(c.dtype(j))),
         ErrorCode::kInvalidType);
}

void check_dim(const InferContext& c, int i, int axis, const Dim& expected) {
  if (!c.has_rank(i) || axis >= c.rank(i)) return;
  const Dim& got = c.shape(i)[static_cast<size_t>(axis)];
  if (Dim::differs(got, expected))
    c.fail(concat("input ", i, ", dimension ", axis, ": expected ", expected.to_string(), ", got ",
                  to_string(c.shape(i))));
}

void check_shape(const InferContext& c, int i, const Shape& expected) {
  if (!c.has_rank(i)) return;
  const Shape& got = c.shape(i);
  bool fits = got.size() == expected.size();
  for (size_t k = 0; fits && k < got.size(); ++k) fits = !Dim::differs(got[k], expected[k]);
  if (!fits)
    c.fail(concat("input ", i, ": expected ", to_string(expected), ", got ", to_string(got)));
}

void set_shape_like(InferContext& c, int o, int i, DType dtype) {
  c.set_output(o, c.has_rank(i) ? Type::tensor(dtype, c.shape(i)) : Type::tensor(dtype));
}

}  // namespace planish
