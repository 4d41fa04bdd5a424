// SPDX-License-Identifier: Apache-2.0
// Transpose: dimensions permuted (reversed by default).
#include "base/str.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

template <class Context>
std::vector<int> permutation(const Context& c, int rank) {
  std::vector<int64_t> perm;
  for (int i = rank; i-- > 0;) perm.push_back(i);
  perm = c.attributes().integers("perm", perm);
  if (static_cast<int>(perm.size()) != rank)
    c.fail(concat("perm has ", perm.size(), " entries, the input has rank ", rank));
  return normalize_axes(c, perm, rank);
}

void infer_transpose(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  if (!c.has_rank(0)) {
    const Attribute* perm = c.attributes().find("perm");
    set_tensor(c, 0, dtype,
               perm ? std::optional(fresh_shape(c, c.attributes().integers("perm").size()))
                    : std::nullopt);
    return;
  }
  Shape out;
  for (int axis : permutation(c, c.rank(0))) out.push_back(c.shape(0)[static_cast<size_t>(axis)]);
  if (out.size() == 1) pass_contents(c, 0);
  set_tensor(c, 0, dtype, std::move(out));
}

void run_transpose(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const Dims strides = row_major_strides(in.dims());
  View from;
  Dims dims;
  for (int axis : permutation(c, in.rank())) {
    from.strides.push_back(strides[static_cast<size_t>(axis)]);
    dims.push_back(in.dim(axis));
  }
  fill_spread(c.output(0),
              [&](Tensor& out) { copy_view(out, row_major_view(dims), in, from, dims); });
}

const RegisterOp kTranspose({.name = "Transpose",
                             .attributes = {optional("perm", AttrKind::kInts)},
                             .infer = infer_transpose,
                             .run = run_transpose,
                             .source = "https://onnx.ai/onnx/operators/onnx__Transpose.html"});

}  // namespace
}  // namespace planish
