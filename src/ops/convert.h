// SPDX-License-Identifier: Apache-2.0
// Conversion of a tensor's elements to another type, as ONNX's Cast defines it.
#pragma once

#include <string>
#include <string_view>

#include "ops/op.h"
#include "tensor/float_formats.h"

namespace planish {

struct CastOptions {
  bool saturate = true;                         // into float8 and float8_e8m0
  ScaleRounding rounding = ScaleRounding::kUp;  // into float8_e8m0
};

// Fills `out` with the elements of `in` converted to its type; the counts must be equal. Throws
// through c.fail on a string that is no number.
void convert_elements(const KernelContext& c, const Tensor& in, Tensor& out,
                      const CastOptions& options);

// "0.1", "1.0", "-inf", "1e+20": the shortest text that gives the number back in `type`.
std::string number_text(double value, DType type);

}  // namespace planish
