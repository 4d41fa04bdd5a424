// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/windows.h"

#include <algorithm>

#include "ops/window.h"

namespace planish::cuda {
namespace {

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

}  // namespace

std::optional<Windows> windows_of(const Attributes& attributes, const std::vector<int64_t>& kernel,
                                  const Shape& in, const Shape& out) {
  const size_t spatial = kernel.size();
  Window window;
  if (spatial < 1 || spatial > 3 || in.size() != spatial + 2 || out.size() != spatial + 2 ||
      !read_window(attributes, spatial, &window).empty() || !is_bounded(kernel, 1) ||
      !is_bounded(window.strides, 1) || !is_bounded(window.dilations, 1))
    return std::nullopt;
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
