// SPDX-License-Identifier: Apache-2.0
// What the convolutions (Conv, ConvInteger, QLinearConv, CausalConvWithState) share.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ops/op.h"
#include "ops/product.h"
#include "ops/window.h"

namespace planish {

// Output shape of a convolution of x (input `x`) with weights (input `w`); nullopt while a rank is
// unknown. Checks channels, groups and kernel_shape.
std::optional<Shape> convolution_shape(const InferContext& c, int x, int w);

struct ConvolutionPlan {
  // Dims of x [N, C, spatial...], weights [M, C/group, kernel...], output [N, M, spatial...].
  ConvolutionPlan(const KernelContext& c, const Dims& x, const Dims& w, const Dims& out);

  int64_t batch, groups;
  int64_t in_channels, out_channels;  // of one group
  WindowPlan window;
};

// Calls emit(n, channel, first output position, sums, count) for runs of the output.
// Padding contributes zero, so inputs with a zero point are shifted before.
template <class T, class Emit>
void convolve(const ConvolutionPlan& plan, const T* x, const T* w, Emit&& emit) {
  const int64_t taps = plan.window.kernel_count(), inputs = plan.window.input_count();
  const int64_t outputs = plan.window.output_count(), depth = plan.in_channels * taps;
  if (outputs == 0 || plan.out_channels == 0) return;
  // Columns: the inputs under each window, `width` windows at a time, so that they stay in cache.
  const int64_t width = std::clamp<int64_t>((int64_t{1} << 18) / std::max<int64_t>(depth, 1), 16,
                                            outputs < 16 ? 16 : outputs);
  std::vector<T> columns(static_cast<size_t>(depth * std::min(width, outputs)));
  std::vector<double> sums(static_cast<size_t>(plan.out_channels * std::min(width, outputs)));
  for (int64_t n = 0; n < plan.batch; ++n)
    for (int64_t g = 0; g < plan.groups; ++g)
      for (int64_t first = 0; first < outputs; first += width) {
        const int64_t count = std::min(width, outputs - first);
        const T* image = x + (n * plan.groups + g) * plan.in_channels * inputs;
        std::fill(columns.begin(), columns.end(), T{});
        plan.window.for_each_output(first, first + count, [&](int64_t out, const Taps& at) {
          at.for_each([&](int64_t tap, int64_t input) {
            for (int64_t ch = 0; ch < plan.in_channels; ++ch)
              columns[static_cast<size_t>((ch * taps + tap) * count + out - first)] =
                  image[ch * inputs + input];
          });
        });
        matrix_product(plan.out_channels, count, depth, w + g * plan.out_channels * depth,
                       columns.data(), sums.data());
        for (int64_t m = 0; m < plan.out_channels; ++m)
          emit(n, g * plan.out_channels + m, first, sums.data() + m * count, count);
      }
}

}  // namespace planish
