// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/windows.h"

#include <algorithm>
#include <cstdlib>

#include "ops/window.h"

namespace planish::cuda {
namespace {

constexpr int64_t kMostExtent = 1 << 30;  // from the first tap of a window to the last

bool is_bounded(const std::vector<int64_t>& values, int64_t least) {
  return std::all_of(values.begin(), values.end(),
                     [&](int64_t v) { return v >= least && v <= kMostGeometry; });
}

// Sets the pads that follow from the sizes. False: these are not known.
bool add_same_pads(Window& window, const std::vector<int64_t>& kernel, const Shape& in,
                   const Shape& out) {
  std::vector<int64_t> sizes, made;
  for (size_t i = 0; i < kernel.size(); ++i) {
    const auto size = in[1 + i].constant(), result = out[1 + i].constant();
    if (!size || !result || *size > INT32_MAX) return false;
    sizes.push_back(*size);
    made.push_back(*result);
  }
  const WindowPlan plan = window.plan(sizes, kernel, made);
  for (size_t i = 0; i < kernel.size(); ++i) {
    window.begins[i] = plan.axes[i].begin;
    window.ends[i] = plan.axes[i].end;
  }
  return true;
}

// Window, strides and dilations, if kernels can count with them.
std::optional<Window> bounded_window(const Attributes& attributes,
                                     const std::vector<int64_t>& kernel, const Shape& in,
                                     const Shape& out) {
  const size_t spatial = kernel.size();
  Window window;
  if (spatial < 1 || spatial > 3 || in.size() != spatial + 2 || out.size() != spatial + 2 ||
      !read_window(attributes, spatial, &window).empty() || !is_bounded(kernel, 1) ||
      !is_bounded(window.strides, 1) || !is_bounded(window.dilations, 1))
    return std::nullopt;
  for (size_t i = 0; i < spatial; ++i)
    if ((kernel[i] - 1) * window.dilations[i] > kMostExtent) return std::nullopt;
  return window;
}

}  // namespace

std::optional<Windows> windows_of(const Attributes& attributes, const std::vector<int64_t>& kernel,
                                  const Shape& in, const Shape& out) {
  const size_t spatial = kernel.size();
  std::optional<Window> read = bounded_window(attributes, kernel, in, out);
  if (!read) return std::nullopt;
  Window& window = *read;
  Windows w;
  switch (window.auto_pad) {
    case AutoPad::kNotSet: break;
    case AutoPad::kValid:
      std::fill(window.begins.begin(), window.begins.end(), 0);
      std::fill(window.ends.begin(), window.ends.end(), 0);
      break;
    case AutoPad::kSameUpper:
    case AutoPad::kSameLower:
      w.has_same_pads = true;
      if (!add_same_pads(window, kernel, in, out)) return std::nullopt;
  }
  if (!is_bounded(window.begins, 0) || !is_bounded(window.ends, 0)) return std::nullopt;
  for (size_t i = 0; i < spatial; ++i) {
    const size_t slot = 3 - spatial + i;
    w.kernel[slot] = kernel[i];
    w.stride[slot] = window.strides[i];
    w.dilation[slot] = window.dilations[i];
    w.pad[slot] = window.begins[i];
    w.pad_end[slot] = window.ends[i];
  }
  return w;
}

std::optional<Windows> transposed_windows_of(const Attributes& attributes,
                                             const std::vector<int64_t>& kernel, const Shape& in,
                                             const Shape& out) {
  const size_t spatial = kernel.size();
  const std::optional<Window> window = bounded_window(attributes, kernel, in, out);
  if (!window) return std::nullopt;
  const bool is_upper = window->auto_pad == AutoPad::kSameUpper;
  // Without these the padding is given, else it follows from the sizes.
  const bool is_given = attributes.integers("output_shape", std::vector<int64_t>()).empty() &&
                        !is_upper && window->auto_pad != AutoPad::kSameLower;
  auto padding = attributes.integers("output_padding", std::vector<int64_t>());
  if (padding.empty()) padding.assign(spatial, 0);
  Windows w;
  w.has_same_pads = true;
  for (size_t i = 0; i < spatial; ++i) {
    const size_t slot = 3 - spatial + i;
    const int64_t reach = (kernel[i] - 1) * window->dilations[i];
    int64_t begin = window->auto_pad == AutoPad::kValid ? 0 : window->begins[i];
    if (!is_given) {
      const auto size = in[1 + i].constant(), made = out[1 + i].constant();
      if (!size || !made || *size > INT32_MAX) return std::nullopt;
      const int64_t whole = window->strides[i] * (*size - 1) + padding[i] + reach + 1;
      const int64_t total = std::max<int64_t>(whole - *made, 0);
      begin = is_upper ? total / 2 : total - total / 2;
    }
    w.kernel[slot] = kernel[i];
    w.up[slot] = window->strides[i];
    w.dilation[slot] = window->dilations[i];
    w.pad[slot] = reach - begin;
    if (std::abs(w.pad[slot]) > kMostExtent) return std::nullopt;
  }
  return w;
}

Dim spatial_size(const Shape& shape, size_t slot) {
  const size_t spatial = shape.size() - 2;
  return slot + spatial < 3 ? Dim(1) : shape[1 + slot + spatial - 3];
}

void require_windows(StepBuilder& step, const Windows& w, const Shape& in) {
  if (w.has_same_pads) return;
  const size_t spatial = in.size() - 2;
  for (size_t slot = 3 - spatial; slot < 3; ++slot)
    step.require_window(slot + spatial - 3, spatial_size(in, slot),
                        (w.kernel[slot] - 1) * w.dilation[slot] + 1, w.pad[slot] + w.pad_end[slot]);
}

}  // namespace planish::cuda
