// SPDX-License-Identifier: Apache-2.0
// HannWindow, HammingWindow, BlackmanWindow: a - b cos(2 pi n / N) + c cos(4 pi n / N).
#include <cmath>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_window(InferContext& c) {
  check_tensor(c, 0, is_index_dtype, "int32 or int64");
  check_single(c, 0);
  const DType dtype = dtype_attribute(c, "output_datatype", DType::kF32);
  if (!is_number(dtype))
    c.fail(concat("output_datatype: expected numbers, got ", dtype_name(dtype)),
           ErrorCode::kInvalidType);
  const auto known = c.contents(0);
  const Dim size = known && known->size() == 1 && (*known)[0] ? check_size(c, *(*known)[0], "size")
                                                              : c.fresh_dim();
  set_tensor(c, 0, dtype, Shape{size.range().min < 0 ? c.fresh_dim() : size});
}

struct Cosines {
  double constant, first, second;
};

void fill_window(KernelContext& c, const Cosines& w) {
  Tensor& out = c.output(0);
  const int64_t size = element<int64_t>(c.input(0), 0);
  require_dims(c, out, {size});
  // A periodic window is a symmetric one of size + 1 without its last point.
  const double period =
      static_cast<double>(flag(c.attributes(), "periodic", true) ? size : size - 1);
  for (int64_t n = 0; n < size; ++n) {
    const double angle = period > 0 ? 6.283185307179586 * static_cast<double>(n) / period : 0;
    const double v = size == 1 && period == 0
                         ? 1.0
                         : w.constant - w.first * std::cos(angle) + w.second * std::cos(2 * angle);
    store<double>(out, n, 1, &v);
  }
}

void run_hann(KernelContext& c) { fill_window(c, {0.5, 0.5, 0}); }
void run_hamming(KernelContext& c) { fill_window(c, {25.0 / 46, 1 - 25.0 / 46, 0}); }
void run_blackman(KernelContext& c) { fill_window(c, {0.42, 0.5, 0.08}); }

OpDef window_op(const char* name, void (*run)(KernelContext&)) {
  return {.name = name,
          .attributes = {optional("output_datatype", AttrKind::kInt),
                         optional("periodic", AttrKind::kInt)},
          .infer = infer_window,
          .run = run,
          .tolerance = {1e-6},
          .source = std::string("https://onnx.ai/onnx/operators/onnx__") + name + ".html"};
}

const RegisterOp kHannWindow(window_op("HannWindow", run_hann));
const RegisterOp kHammingWindow(window_op("HammingWindow", run_hamming));
const RegisterOp kBlackmanWindow(window_op("BlackmanWindow", run_blackman));

}  // namespace
}  // namespace planish
