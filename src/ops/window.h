// SPDX-License-Identifier: Apache-2.0
// Sliding windows of convolution and pooling: their attributes, output sizes and padding.
//
//   const Window window = window_of(c, rank - 2);      // in a shape rule or a kernel
//   Dim out = window.output_size(axis, input, kernel); // over symbols or constants
//
// and, in a kernel, over concrete sizes:
//
//   const WindowPlan plan = window.plan(input_dims, kernel_dims, output_dims);
//   plan.for_each_output([&](int64_t out, const Taps& taps) {
//     taps.for_each([&](int64_t kernel_index, int64_t input_index) { ... });
//   });
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/op.h"

namespace planish {

enum class AutoPad : uint8_t { kNotSet, kSameUpper, kSameLower, kValid };

struct WindowAxis {
  int64_t input = 0;
  int64_t kernel = 1;
  int64_t output = 0;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t begin = 0;  // padding
  int64_t end = 0;
};

// The taps of one output position that lie inside the input.
class Taps {
 public:
  explicit Taps(size_t axes) : first_(axes), last_(axes), start_(axes), at_(axes) {}

  // f(index into the flattened kernel, index into the flattened spatial input), row-major.
  template <class F>
  void for_each(F&& f) const;
  bool empty() const {
    for (size_t a = 0; a < first_.size(); ++a)
      if (first_[a] >= last_[a]) return true;
    return false;
  }

 private:
  friend class WindowPlan;
  const std::vector<WindowAxis>* axes_ = nullptr;
  std::vector<int64_t> first_, last_;  // kernel positions [first, last) on each axis
  std::vector<int64_t> start_;         // input coordinate of kernel position 0
  mutable std::vector<int64_t> at_;
};

// Windows over concrete sizes.
class WindowPlan {
 public:
  std::vector<WindowAxis> axes;

  int64_t input_count() const;
  int64_t kernel_count() const;
  int64_t output_count() const;
  // f(index into the flattened spatial output, taps), row-major over outputs [first, last).
  template <class F>
  void for_each_output(int64_t first, int64_t last, F&& f) const;
  template <class F>
  void for_each_output(F&& f) const {
    for_each_output(0, output_count(), std::forward<F>(f));
  }
  // Kernel positions of output position `out` that lie inside the padded input (not beyond it,
  // where ceil_mode may reach).
  int64_t padded_taps(int64_t out) const;

 private:
  void place(const std::vector<int64_t>& position, Taps& taps) const;
};

struct Window {
  std::vector<int64_t> strides, dilations, begins, ends;
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;

  // The size along `axis`; may come out negative or zero where the window does not fit.
  Dim output_size(size_t axis, const Dim& input, const Dim& kernel) const;
  // Dims of the spatial axes alone, all of equal length.
  WindowPlan plan(std::span<const int64_t> input, std::span<const int64_t> kernel,
                  std::span<const int64_t> output) const;
};

// Reads strides, dilations, pads, auto_pad and ceil_mode for `axes` spatial axes; the problem in
// words, or "".
std::string read_window(const Attributes& attributes, size_t axes, Window* window);
// Whether `kernel` (sizes) may be used; the problem in words, or "".
std::string check_kernel(const std::vector<int64_t>& kernel);

template <class Context>
Window window_of(const Context& c, int axes) {
  Window window;
  const std::string problem = read_window(c.attributes(), static_cast<size_t>(axes), &window);
  if (!problem.empty()) c.fail(problem, ErrorCode::kInvalidModel);
  return window;
}

// Spatial output dims for the input dims [batch, channels, spatial...]; fails if a window does not
// fit.
Shape window_outputs(const InferContext& c, const Window& window, const Shape& input,
                     const Shape& kernel);

// Pooling: the plan for input 0, attribute kernel_shape and the output's dims.
WindowPlan pool_plan(const KernelContext& c, const Dims& output);
// The shape rule of pooling: output 0, and output 1 (int64) if the op has one.
void infer_pool(InferContext& c);

template <class F>
void Taps::for_each(F&& f) const {
  if (empty()) return;
  const std::vector<WindowAxis>& axes = *axes_;
  const size_t n = axes.size();
  if (n == 0) return f(0, 0);
  std::copy(first_.begin(), first_.end(), at_.begin());
  const WindowAxis& inner = axes[n - 1];
  for (;;) {
    int64_t kernel = 0;
    int64_t input = 0;
    for (size_t a = 0; a + 1 < n; ++a) {
      kernel = kernel * axes[a].kernel + at_[a];
      input = input * axes[a].input + start_[a] + at_[a] * axes[a].dilation;
    }
    kernel *= inner.kernel;
    input = input * inner.input + start_[n - 1];
    for (int64_t k = first_[n - 1]; k < last_[n - 1]; ++k)
      f(kernel + k, input + k * inner.dilation);
    size_t a = n - 1;
    while (a > 0) {
      --a;
      if (++at_[a] < last_[a]) break;
      at_[a] = first_[a];
      if (a == 0) return;
    }
    if (n == 1) return;
  }
}

template <class F>
void WindowPlan::for_each_output(int64_t first, int64_t last, F&& f) const {
  std::vector<int64_t> position(axes.size());
  int64_t rest = first;
  for (size_t a = axes.size(); a-- > 0;) {
    if (axes[a].output == 0) return;
    position[a] = rest % axes[a].output;
    rest /= axes[a].output;
  }
  Taps taps(axes.size());
  for (int64_t out = first; out < last; ++out) {
    place(position, taps);
    f(out, static_cast<const Taps&>(taps));
    for (size_t a = axes.size(); a-- > 0;) {
      if (++position[a] < axes[a].output) break;
      position[a] = 0;
    }
  }
}

}  // namespace planish
