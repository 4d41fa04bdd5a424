// SPDX-License-Identifier: Apache-2.0
// What the steps of convolutions have in common: attributes, pads, sizes.
#pragma once

#include <string>
#include <vector>

#include "backend/cpu/kernels/conv.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {

class ConvLayout {
 public:
  // From the attributes in_channels, out_channels, groups, kernel, strides, dilations, pads and
  // auto_pad of a step whose input 0 is the data, input 1 the weights. Throws kInvalidPlan.
  ConvLayout(const StepInfo& info, bool transposed);

  // Channels, kernel, strides and dilations; with explicit pads those too.
  const Conv& conv() const { return conv_; }
  size_t spatial() const { return spatial_; }
  bool has_explicit_pads() const { return auto_pad_ == "NOTSET"; }

  // With the sizes and strides of x (input 0) and y (output 0), of float32. Throws kInvalidShape
  // unless they are what the kernels rely on.
  Conv bind(const StepShapes& shapes) const;
  // The same for data of any type.
  Conv bind_sizes(const StepShapes& shapes) const;
  // What is read instead of an x without elements from which y has some: all of it is padding, so
  // bind() takes the first pad, or the last, for an image of zeros. Undefined if x is read itself.
  static Tensor blank_image(const StepShapes& shapes, const Conv& bound);

 private:
  int64_t pad_before(const Conv& c, size_t slot, int64_t explicit_pad) const;
  void check_window(const StepShapes& shapes, const Conv& c, size_t slot, int64_t begin,
                    int64_t end) const;

  bool transposed_;
  Conv conv_;
  size_t spatial_ = 0;
  std::vector<int64_t> pads_;
  std::string auto_pad_;
};

}  // namespace planish::cpu
