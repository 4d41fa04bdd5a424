// SPDX-License-Identifier: Apache-2.0
// BitCast: the same bits read as another type of the same width.
#include <cstring>

#include "base/str.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_bit_cast(InferContext& c) {
  const DType from = check_tensor(c, 0);
  const DType to = dtype_attribute(c, "to", DType::kUndefined);
  if (from == DType::kString || to == DType::kString)
    c.fail("strings have no bits to cast", ErrorCode::kInvalidType);
  if (from != DType::kUndefined && dtype_bits(from) != dtype_bits(to))
    c.fail(concat("expected a type of ", dtype_bits(from), " bits as ", dtype_name(from), ", got ",
                  dtype_name(to), " of ", dtype_bits(to)),
           ErrorCode::kInvalidType);
  set_tensor(c, 0, to, c.input(0).shape);
}

void run_bit_cast(KernelContext& c) {
  Tensor& out = c.output(0);
  c.require(out.bytes() == c.input(0).bytes(), "sizes differ");
  if (out.bytes() != 0) std::memcpy(out.data(), c.input(0).data(), out.bytes());
}

const RegisterOp kBitCast({.name = "BitCast",
                           .attributes = {required("to", AttrKind::kInt)},
                           .infer = infer_bit_cast,
                           .run = run_bit_cast,
                           .source = "https://onnx.ai/onnx/operators/onnx__BitCast.html"});

}  // namespace
}  // namespace planish
