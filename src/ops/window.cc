// SPDX-License-Identifier: Apache-2.0
#include "ops/window.h"

#include <algorithm>

#include "base/checked.h"
#include "base/str.h"
#include "ops/checks.h"

namespace planish {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 40;  // of a stride, dilation, pad or kernel

std::string read_list(const Attributes& attributes, const char* name, size_t count,
                      int64_t fallback, int64_t least, std::vector<int64_t>* out) {
  *out = attributes.integers(name, std::vector<int64_t>());
  if (out->empty()) out->assign(count, fallback);
  if (out->size() != count) return concat(name, ": expected ", count, " values, got ", out->size());
  for (int64_t v : *out)
    if (v < least || v > kMaxExtent)
      return concat(name, ": expected values from ", least, " to ", kMaxExtent, ", got ", v);
  return {};
}

int64_t count_of(const std::vector<WindowAxis>& axes, int64_t WindowAxis::*size) {
  int64_t n = 1;
  for (const WindowAxis& axis : axes) n = checked_mul(n, axis.*size, "window");
  return n;
}

}  // namespace

int64_t WindowPlan::input_count() const { return count_of(axes, &WindowAxis::input); }
int64_t WindowPlan::kernel_count() const { return count_of(axes, &WindowAxis::kernel); }
int64_t WindowPlan::output_count() const { return count_of(axes, &WindowAxis::output); }

void WindowPlan::place(const std::vector<int64_t>& position, Taps& taps) const {
  taps.axes_ = &axes;
  for (size_t a = 0; a < axes.size(); ++a) {
    const WindowAxis& axis = axes[a];
    const int64_t start = position[a] * axis.stride - axis.begin;
    taps.start_[a] = start;
    taps.first_[a] =
        start >= 0 ? 0 : std::min(axis.kernel, (-start + axis.dilation - 1) / axis.dilation);
    const int64_t room = axis.input - start;  // coordinates before the end of the input
    taps.last_[a] =
        room <= 0 ? 0 : std::min(axis.kernel, (room + axis.dilation - 1) / axis.dilation);
  }
}

int64_t WindowPlan::padded_taps(int64_t out) const {
  int64_t taps = 1;
  for (size_t a = axes.size(); a-- > 0;) {
    const WindowAxis& axis = axes[a];
    const int64_t start = (out % axis.output) * axis.stride;
    out /= axis.output;
    const int64_t room = axis.begin + axis.input + axis.end - start;
    taps *= room <= 0 ? 0 : std::min(axis.kernel, (room + axis.dilation - 1) / axis.dilation);
  }
  return taps;
}

Dim Window::output_size(size_t axis, const Dim& input, const Dim& kernel) const {
  const Dim stride = strides[axis];
  const Dim extent = (kernel - 1) * dilations[axis] + 1;
  switch (auto_pad) {
    case AutoPad::kSameUpper:
    case AutoPad::kSameLower: return input.ceil_div(stride);
    case AutoPad::kValid: return (input - extent).floor_div(stride) + 1;
    case AutoPad::kNotSet: break;
  }
  const Dim slack = input + begins[axis] + ends[axis] - extent;
  if (!ceil_mode) return slack.floor_div(stride) + 1;
  // A window that would start in the end padding is dropped.
  return Dim::min(slack.ceil_div(stride) + 1, (input + begins[axis] - 1).floor_div(stride) + 1);
}

WindowPlan Window::plan(std::span<const int64_t> input, std::span<const int64_t> kernel,
                        std::span<const int64_t> output) const {
  WindowPlan plan;
  for (size_t a = 0; a < strides.size(); ++a) {
    WindowAxis axis{.input = input[a],
                    .kernel = kernel[a],
                    .output = output[a],
                    .stride = strides[a],
                    .dilation = dilations[a]};
    if (auto_pad == AutoPad::kNotSet) {
      axis.begin = begins[a];
      axis.end = ends[a];
    } else if (auto_pad != AutoPad::kValid) {
      const int64_t extent =
          checked_add(checked_mul(axis.kernel - 1, axis.dilation, "window"), 1, "window");
      const int64_t reach =
          checked_add(checked_mul(axis.output - 1, axis.stride, "window"), extent, "window");
      const int64_t total = std::max<int64_t>(0, reach - axis.input);
      axis.begin = auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2;
      axis.end = total - axis.begin;
    }
    // Every coordinate that the loops form stays below this.
    checked_add(checked_mul(axis.output, axis.stride, "window"),
                checked_mul(axis.kernel, axis.dilation, "window"), "window");
    plan.axes.push_back(axis);
  }
  return plan;
}

std::string read_window(const Attributes& attributes, size_t axes, Window* window) {
  std::string problem = read_list(attributes, "strides", axes, 1, 1, &window->strides);
  if (problem.empty()) problem = read_list(attributes, "dilations", axes, 1, 1, &window->dilations);
  std::vector<int64_t> pads;
  if (problem.empty()) problem = read_list(attributes, "pads", 2 * axes, 0, 0, &pads);
  if (!problem.empty()) return problem;
  window->begins.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(axes));
  window->ends.assign(pads.begin() + static_cast<std::ptrdiff_t>(axes), pads.end());
  window->ceil_mode = attributes.integer("ceil_mode", 0) != 0;
  const std::string name = attributes.text("auto_pad", "NOTSET");
  if (name == "NOTSET" || name.empty())
    window->auto_pad = AutoPad::kNotSet;
  else if (name == "SAME_UPPER")
    window->auto_pad = AutoPad::kSameUpper;
  else if (name == "SAME_LOWER")
    window->auto_pad = AutoPad::kSameLower;
  else if (name == "VALID")
    window->auto_pad = AutoPad::kValid;
  else
    return concat("auto_pad: expected NOTSET, SAME_UPPER, SAME_LOWER or VALID, got \"", name, "\"");
  return {};
}

std::string check_kernel(const std::vector<int64_t>& kernel) {
  for (int64_t k : kernel)
    if (k < 1 || k > kMaxExtent)
      return concat("kernel_shape: expected values from 1 to ", kMaxExtent, ", got ", k);
  return {};
}

Shape window_outputs(const InferContext& c, const Window& window, const Shape& input,
                     const Shape& kernel) {
  Shape out;
  for (size_t a = 0; a < kernel.size(); ++a) {
    const Dim& size = input[a + 2];
    if (kernel[a].is_constant() && (kernel[a].value() < 1 || kernel[a].value() > kMaxExtent))
      c.fail(concat("kernel, axis ", a, ": expected at least 1, got ", kernel[a].value()));
    Dim result = window.output_size(a, size, kernel[a]);
    const bool is_same =
        window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower;
    if (size.is_constant() && kernel[a].is_constant() && size.value() != 0 && !is_same) {
      const Dim extent = (kernel[a] - 1) * window.dilations[a] + 1;
      const bool padded = window.auto_pad == AutoPad::kNotSet;
      const Dim room = padded ? size + window.begins[a] + window.ends[a] : size;
      if (room.value() < extent.value())
        c.fail(concat("spatial axis ", a, ": a window of ", extent.value(),
                      " does not fit into the padded input of ", room.value()));
    }
    if (result.is_constant() && result.value() < 0) result = 0;
    out.push_back(std::move(result));
  }
  return out;
}

WindowPlan pool_plan(const KernelContext& c, const Dims& output) {
  const std::vector<int64_t>& kernel = c.attributes().integers("kernel_shape");
  const Window window = window_of(c, static_cast<int>(kernel.size()));
  const Dims& input = c.input(0).dims();
  return window.plan(std::span(input).subspan(2), kernel, std::span(output).subspan(2));
}

void infer_pool(InferContext& c) {
  const std::vector<int64_t>& kernel = c.attributes().integers("kernel_shape");
  const std::string problem = check_kernel(kernel);
  if (!problem.empty()) c.fail(problem, ErrorCode::kInvalidModel);
  const Window window = window_of(c, static_cast<int>(kernel.size()));
  check_rank(c, 0, static_cast<int>(kernel.size()) + 2);
  if (!c.has_rank(0)) {
    c.set_output(0, Type::tensor(c.dtype(0)));
    c.set_output(1, Type::tensor(DType::kI64));
    return;
  }
  const Shape& x = c.shape(0);
  Shape out = window_outputs(c, window, x, Shape(kernel.begin(), kernel.end()));
  out.insert(out.begin(), {x[0], x[1]});
  c.set_output(1, Type::tensor(DType::kI64, out));
  c.set_output(0, Type::tensor(c.dtype(0), std::move(out)));
}

}  // namespace planish
