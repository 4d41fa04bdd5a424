// SPDX-License-Identifier: Apache-2.0
// ArgMax, ArgMin: where along an axis the largest or smallest element lies. NaN counts as both, as
// numpy has it.
#include "ops/reduce.h"
#include "ops/strides.h"

namespace planish {
namespace {

bool is_ordered(DType t) { return is_number(t) || t == DType::kBool; }

void infer_arg_extreme(InferContext& c) {
  check_tensor(c, 0, is_ordered, "numbers");
  const int64_t wish = c.attributes().integer("axis", 0);
  if (!c.has_rank(0)) return set_tensor(c, 0, DType::kI64, std::nullopt);
  const auto axis = static_cast<size_t>(c.normalize_axis(wish, c.rank(0)));
  if (c.shape(0)[axis] == Dim(0)) c.fail(concat("axis ", axis, " is empty"));
  std::vector<bool> reduced(c.shape(0).size(), false);
  reduced[axis] = true;
  set_tensor(c, 0, DType::kI64,
             reduced_dims(c.shape(0), reduced, flag(c.attributes(), "keepdims", true)));
}

template <class T>
void find_extremes(const Tensor& in, int axis, bool largest, bool last, int64_t* out) {
  const int64_t size = in.dim(axis), inner = inner_count(in.dims(), axis),
                outer = outer_count(in.dims(), axis);
  std::vector<T> best(static_cast<size_t>(inner)), row(static_cast<size_t>(inner));
  for (int64_t o = 0; o < outer; ++o, out += inner) {
    load<T>(in, o * size * inner, inner, best.data());
    std::fill_n(out, inner, 0);
    for (int64_t k = 1; k < size; ++k) {
      load<T>(in, (o * size + k) * inner, inner, row.data());
      for (size_t i = 0; i < row.size(); ++i) {
        const T a = best[i], x = row[i];
        const bool better = largest ? x > a : x < a;
        const bool first_nan = x != x && a == a;
        const bool tie = last && (x == a || (x != x && a != a));
        if (!((better && a == a) || first_nan || tie)) continue;
        best[i] = x;
        out[i] = k;
      }
    }
  }
}

void arg_extreme(KernelContext& c, bool largest) {
  const Tensor& in = c.input(0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", 0), in.rank());
  c.require(in.dim(axis) > 0, concat("axis ", axis, " is empty"));
  const bool last = flag(c.attributes(), "select_last_index", false);
  auto* out = c.output(0).as<int64_t>();
  with_real_type(in.dtype(), [&]<class T>(T) { find_extremes<T>(in, axis, largest, last, out); });
}

void run_arg_max(KernelContext& c) { arg_extreme(c, true); }
void run_arg_min(KernelContext& c) { arg_extreme(c, false); }

std::vector<AttributeSpec> arg_attributes() {
  return {optional("axis", AttrKind::kInt), optional("keepdims", AttrKind::kInt),
          optional("select_last_index", AttrKind::kInt)};
}

const RegisterOp kArgMax({.name = "ArgMax",
                          .attributes = arg_attributes(),
                          .infer = infer_arg_extreme,
                          .run = run_arg_max,
                          .source = "https://onnx.ai/onnx/operators/onnx__ArgMax.html"});
const RegisterOp kArgMin({.name = "ArgMin",
                          .attributes = arg_attributes(),
                          .infer = infer_arg_extreme,
                          .run = run_arg_min,
                          .source = "https://onnx.ai/onnx/operators/onnx__ArgMin.html"});

}  // namespace
}  // namespace planish
