// SPDX-License-Identifier: Apache-2.0
// MaxPool: the largest element of each window and, as output 1, where it lies.
// https://onnx.ai/onnx/operators/onnx__MaxPool.html
#include <cmath>
#include <limits>
#include <vector>

#include "ops/checks.h"
#include "ops/elements_of.h"
#include "ops/window.h"

namespace planish {
namespace {

bool is_max_pool_dtype(DType t) { return is_real_float(t) || t == DType::kI8 || t == DType::kU8; }

void infer_max_pool(InferContext& c) {
  check_tensor(c, 0, is_max_pool_dtype, "a float, int8 or uint8");
  infer_pool(c);
}

// Index of a spatial position (row-major) with the first axis fastest.
int64_t column_major(int64_t index, const std::vector<WindowAxis>& axes) {
  std::vector<int64_t> at(axes.size());
  for (size_t a = axes.size(); a-- > 0;) {
    at[a] = index % axes[a].input;
    index /= axes[a].input;
  }
  int64_t out = 0;
  for (size_t a = axes.size(); a-- > 0;) out = out * axes[a].input + at[a];
  return out;
}

template <class T>
void run_max_pool_as(KernelContext& c) {
  const Dims& dims = c.wants_output(0) ? c.output(0).dims() : c.output(1).dims();
  const WindowPlan plan = pool_plan(c, dims);
  const ElementsOf<T> x(c.input(0));
  const int64_t inputs = plan.input_count(), outputs = plan.output_count();
  const bool by_column = c.attributes().integer("storage_order", 0) != 0;
  std::vector<T> best(static_cast<size_t>(outputs));
  std::vector<int64_t> where(static_cast<size_t>(outputs));
  for (int64_t image = 0; image < dims[0] * dims[1]; ++image) {
    const T* in = x.data() + image * inputs;
    plan.for_each_output([&](int64_t out, const Taps& taps) {
      // A window of padding alone has no element: -infinity (integers: the least value), index -1.
      T value = -std::numeric_limits<T>::infinity();
      int64_t at = -1;
      taps.for_each([&](int64_t, int64_t i) {
        if (at < 0 || in[i] > value || (std::isnan(in[i]) && !std::isnan(value))) {
          value = in[i];
          at = i;
        }
      });
      best[static_cast<size_t>(out)] = value;
      if (at >= 0) at = image * inputs + (by_column ? column_major(at, plan.axes) : at);
      where[static_cast<size_t>(out)] = at;
    });
    if (c.wants_output(0)) store<T>(c.output(0), image * outputs, outputs, best.data());
    if (c.wants_output(1)) store<int64_t>(c.output(1), image * outputs, outputs, where.data());
  }
}

void run_max_pool(KernelContext& c) {
  with_float(c.input(0).dtype(), [&](auto t) { run_max_pool_as<decltype(t)>(c); });
}

const RegisterOp kMaxPoolOp(
    {.name = "MaxPool",
     .attributes = {optional("auto_pad", AttrKind::kString), optional("ceil_mode", AttrKind::kInt),
                    optional("dilations", AttrKind::kInts),
                    required("kernel_shape", AttrKind::kInts), optional("pads", AttrKind::kInts),
                    optional("storage_order", AttrKind::kInt),
                    optional("strides", AttrKind::kInts)},
     .inputs = {1, 1},
     .outputs = {1, 2},
     .infer = infer_max_pool,
     .run = run_max_pool,
     .source = "https://onnx.ai/onnx/operators/onnx__MaxPool.html"});

}  // namespace
}  // namespace planish
