// SPDX-License-Identifier: Apache-2.0
// Dropout: in training mode, zeroes a random share of the elements and scales up the others; else
// passes its input on.  https://onnx.ai/onnx/operators/onnx__Dropout.html
#include <random>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

bool is_dropout_dtype(DType t) { return is_float(t) && dtype_bits(t) >= 8 && t != DType::kF8E8M0; }

void infer_dropout(InferContext& c) {
  check_tensor(c, 0, is_dropout_dtype, "a float");
  if (c.has_input(1)) {
    check_tensor(c, 1, is_dropout_dtype, "a float");
    check_single(c, 1);
  }
  if (c.has_input(2)) {
    check_tensor(c, 2, is_bool, "bool");
    check_single(c, 2);
  }
  set_like(c, 0, 0);
  set_shape_like(c, 1, 0, DType::kBool);
}

// Numbers in [0, 1) with 53 random bits.
class UniformStream {
 public:
  explicit UniformStream(uint32_t seed) : engine_(seed) {}
  double next() {
    const uint32_t high = static_cast<uint32_t>(engine_()) >> 5,
                   low = static_cast<uint32_t>(engine_()) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

 private:
  std::mt19937 engine_;
};

void run_dropout(KernelContext& c) {
  const Tensor& x = c.input(0);
  const bool trains = c.has_input(2) && element<uint8_t>(c.input(2), 0) != 0;
  const double ratio = c.has_input(1) ? element<double>(c.input(1), 0) : 0.5;
  if (trains && !(ratio >= 0 && ratio < 1))
    c.fail(concat("ratio: expected a value in [0, 1), got ", ratio));
  std::vector<uint8_t> kept(static_cast<size_t>(x.count()), 1);
  if (!trains || ratio == 0) {
    if (c.wants_output(0)) copy_all(c.output(0), x);
  } else {
    const auto seed = c.attributes().has("seed")
                          ? static_cast<uint32_t>(c.attributes().integer("seed"))
                          : std::random_device{}();
    UniformStream stream(seed);
    std::vector<double> values = load<double>(x);
    for (size_t i = 0; i < values.size(); ++i) {
      kept[i] = stream.next() >= ratio ? 1 : 0;
      values[i] = kept[i] != 0 ? values[i] / (1 - ratio) : 0;
    }
    if (c.wants_output(0)) store(c.output(0), values);
  }
  if (c.wants_output(1)) store(c.output(1), kept);
}

const RegisterOp kDropout({.name = "Dropout",
                           .attributes = {optional("seed", AttrKind::kInt)},
                           .inputs = {1, 3},
                           .outputs = {1, 2},
                           .infer = infer_dropout,
                           .run = run_dropout,
                           .tolerance = {1e-6},
                           .is_pure = false,
                           .source = "https://onnx.ai/onnx/operators/onnx__Dropout.html"});

}  // namespace
}  // namespace planish
