// SPDX-License-Identifier: Apache-2.0
// Trilu: the upper or lower triangle of matrices, zeros elsewhere.
#include <algorithm>

#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_trilu(InferContext& c) {
  check_tensor(c, 0);
  check_min_rank(c, 0, 2);
  if (c.has_input(1)) {
    check_tensor(c, 1, is_i64, "int64");
    check_single(c, 1);
  }
  set_like(c, 0, 0);
}

void run_trilu(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const bool upper = flag(c.attributes(), "upper", true);
  const int64_t rows = in.dim(in.rank() - 2), columns = in.dim(in.rank() - 1);
  int64_t k = c.has_input(1) ? element<int64_t>(c.input(1), 0) : 0;
  k = std::clamp<int64_t>(k, -rows - 1, columns + 1);
  fill_spread(c.output(0), [&](Tensor& out) {
    fill_zero(out, 0, out.count());
    const int64_t all = columns == 0 ? 0 : in.count() / columns;
    for (int64_t i = 0; i < all; ++i) {
      const int64_t diagonal = i % rows + k;
      const int64_t first = upper ? std::clamp<int64_t>(diagonal, 0, columns) : 0;
      const int64_t last = upper ? columns : std::clamp<int64_t>(diagonal + 1, 0, columns);
      copy_run(out, i * columns + first, in, i * columns + first, last - first);
    }
  });
}

const RegisterOp kTrilu({.name = "Trilu",
                         .attributes = {optional("upper", AttrKind::kInt)},
                         .inputs = {1, 2},
                         .infer = infer_trilu,
                         .run = run_trilu,
                         .source = "https://onnx.ai/onnx/operators/onnx__Trilu.html"});

}  // namespace
}  // namespace planish
