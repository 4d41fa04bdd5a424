// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/runtime/conv_layout.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/runtime/conv_geometry.h"
#include "base/checked.h"
#include "runtime/window_check.h"

namespace planish::cpu {

ConvLayout::ConvLayout(const StepInfo& info, bool transposed) : transposed_(transposed) {
  const Attributes& a = info.attributes();
  info.require(info.has_input(0) && info.has_input(1) && info.wants_output(0),
               "expected data and weights");
  conv_ = conv_geometry(a, a.integer("in_channels"), a.integer("out_channels"));
  spatial_ = a.integers("kernel").size();
  pads_ = a.integers("pads", std::vector<int64_t>(2 * spatial_, 0));
  auto_pad_ = a.text("auto_pad", "");
  if (auto_pad_.empty()) auto_pad_ = "NOTSET";
  info.require(pads_.size() == 2 * spatial_, "pads of another length");
  for (int64_t p : pads_) info.require(p >= 0 && p < (int64_t{1} << 31), "a pad is out of range");
  if (has_explicit_pads()) set_pads(conv_, pads_);
}

Conv ConvLayout::bind(const StepShapes& shapes) const {
  shapes.require(shapes.input(0).dtype == DType::kF32 && shapes.output(0).dtype == DType::kF32,
                 "expected float32 data");
  return bind_sizes(shapes);
}

Conv ConvLayout::bind_sizes(const StepShapes& shapes) const {
  const KnownTensor& x = shapes.input(0);
  const KnownTensor& y = shapes.output(0);
  shapes.require(x.dims.size() == spatial_ + 2 && y.dims.size() == spatial_ + 2 &&
                     x.dims.back() == conv_.in_channels && y.dims.back() == conv_.out_channels &&
                     x.dims[0] == y.dims[0],
                 "expected channels-last data of the layer's channels");
  Conv c = conv_;
  c.batch = x.dims[0];
  for (size_t i = 0; i < spatial_; ++i) {
    const size_t slot = 3 - spatial_ + i;
    c.in[slot] = x.dims[1 + i];
    c.out[slot] = y.dims[1 + i];
    c.pad[slot] = pad_before(c, slot, pads_[i]);
    check_window(shapes, c, slot, pads_[i], pads_[spatial_ + i]);
  }
  const bool is_blank = x.count() == 0 && y.count() != 0;
  for (size_t slot = 3 - spatial_; slot < 3 && is_blank; ++slot) {
    if (c.in[slot] != 0) continue;
    c.in[slot] = 1;
    c.pad[slot] = std::max<int64_t>(0, c.pad[slot] - 1);
  }
  c.x_pixel = c.in_channels;
  c.y_pixel = c.out_channels;
  c.x_batch = y.count() == 0 ? 0 : c.in[0] * c.in[1] * c.in[2] * c.in_channels;
  c.y_batch = c.residual_batch = y.count() == 0 ? 0 : y.count() / c.batch;
  return c;
}

Tensor ConvLayout::blank_image(const StepShapes& shapes, const Conv& bound) {
  if (shapes.input(0).count() != 0 || shapes.output(0).count() == 0) return {};
  Tensor image(shapes.input(0).dtype,
               {bound.batch, bound.in[0], bound.in[1], bound.in[2], bound.in_channels});
  std::memset(image.data(), 0, image.bytes());
  return image;
}

// SAME_UPPER and SAME_LOWER share what the windows need beyond the input, the odd one at the end or
// at the beginning.
int64_t ConvLayout::pad_before(const Conv& c, size_t slot, int64_t explicit_pad) const {
  if (has_explicit_pads()) return explicit_pad;
  if (auto_pad_ == "VALID") return 0;
  const int64_t window = (c.kernel[slot] - 1) * c.dilation[slot] + 1;
  const int64_t fewer = transposed_ ? c.in[slot] : c.out[slot];
  const int64_t more = transposed_ ? c.out[slot] : c.in[slot];
  const int64_t steps = checked_mul(fewer - 1, c.stride[slot], "pads");
  const int64_t total = std::max<int64_t>(0, checked_add(steps, window - more, "pads"));
  return auto_pad_ == "SAME_LOWER" ? (total + 1) / 2 : total / 2;
}

// The output's size follows from the input's: what the kernels rely on.
void ConvLayout::check_window(const StepShapes& shapes, const Conv& c, size_t slot, int64_t begin,
                              int64_t end) const {
  if (c.batch == 0) return;
  // The op's own rule lets any window pass over nothing.
  if (c.in[slot] == 0) return;
  const int64_t window = (c.kernel[slot] - 1) * c.dilation[slot] + 1;
  if (transposed_ || !has_explicit_pads()) return;
  const int64_t room = c.in[slot] + begin + end - window;
  require_window(shapes, slot + spatial_ - 3, c.in[slot], window, room + window);
  shapes.require(room >= 0 && c.out[slot] == room / c.stride[slot] + 1,
                 "the output has another size than the windows");
}

}  // namespace planish::cpu
