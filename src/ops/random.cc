// SPDX-License-Identifier: Apache-2.0
// RandomNormal, RandomUniform and their Like forms; Bernoulli.
#include "ops/random.h"

#include "base/str.h"
#include "ops/shape_rules.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void check_random_dtype(const InferContext& c, DType dtype) {
  if (dtype != DType::kUndefined && (!is_float(dtype) || dtype_bits(dtype) < 16))
    c.fail(concat("expected a float type of 16 bits or more, got ", dtype_name(dtype)),
           ErrorCode::kInvalidType);
}

void infer_random(InferContext& c) {
  const DType dtype = dtype_attribute(c, "dtype", DType::kF32);
  check_random_dtype(c, dtype);
  Shape out;
  for (int64_t dim : c.attributes().integers("shape"))
    out.push_back(check_size(c, dim, "a dimension"));
  set_tensor(c, 0, dtype, std::move(out));
}

void infer_random_like(InferContext& c) {
  DType dtype = check_tensor(c, 0);
  if (c.attributes().has("dtype")) dtype = dtype_attribute(c, "dtype", dtype);
  check_random_dtype(c, dtype);
  set_tensor(c, 0, dtype, c.input(0).shape);
}

void infer_bernoulli(InferContext& c) {
  DType dtype = check_tensor(c, 0, is_float, "floats");
  if (c.attributes().has("dtype")) dtype = dtype_attribute(c, "dtype", dtype);
  if (dtype == DType::kString || is_complex(dtype))
    c.fail(concat("no draws of type ", dtype_name(dtype)), ErrorCode::kInvalidType);
  set_tensor(c, 0, dtype, c.input(0).shape);
}

void run_random_normal(KernelContext& c) {
  Random random(c);
  const double mean = c.attributes().real("mean", 0), scale = c.attributes().real("scale", 1);
  std::vector<double> values(static_cast<size_t>(c.output(0).count()));
  for (double& v : values) v = mean + scale * random.normal();
  store(c.output(0), values);
}

void run_random_uniform(KernelContext& c) {
  Random random(c);
  const double low = c.attributes().real("low", 0), high = c.attributes().real("high", 1);
  std::vector<double> values(static_cast<size_t>(c.output(0).count()));
  for (double& v : values) v = low + (high - low) * random.uniform();
  store(c.output(0), values);
}

void run_bernoulli(KernelContext& c) {
  Random random(c);
  std::vector<double> values = load<double>(c.input(0));
  for (double& v : values) {
    if (!(v >= 0 && v <= 1)) c.fail(concat("expected probabilities of 0 to 1, got ", v));
    v = random.uniform() < v ? 1 : 0;
  }
  store(c.output(0), values);
}

std::vector<AttributeSpec> normal_attributes() {
  return {optional("dtype", AttrKind::kInt), optional("mean", AttrKind::kFloat),
          optional("scale", AttrKind::kFloat), optional("seed", AttrKind::kFloat)};
}
std::vector<AttributeSpec> uniform_attributes() {
  return {optional("dtype", AttrKind::kInt), optional("low", AttrKind::kFloat),
          optional("high", AttrKind::kFloat), optional("seed", AttrKind::kFloat)};
}
std::vector<AttributeSpec> with_shape(std::vector<AttributeSpec> attributes) {
  attributes.push_back(required("shape", AttrKind::kInts));
  return attributes;
}

const RegisterOp kRandomNormal(
    {.name = "RandomNormal",
     .attributes = with_shape(normal_attributes()),
     .inputs = {0, 0},
     .infer = infer_random,
     .run = run_random_normal,
     .is_pure = false,
     .source = "https://onnx.ai/onnx/operators/onnx__RandomNormal.html"});
const RegisterOp kRandomNormalLike(
    {.name = "RandomNormalLike",
     .attributes = normal_attributes(),
     .infer = infer_random_like,
     .run = run_random_normal,
     .is_pure = false,
     .source = "https://onnx.ai/onnx/operators/onnx__RandomNormalLike.html"});
const RegisterOp kRandomUniform(
    {.name = "RandomUniform",
     .attributes = with_shape(uniform_attributes()),
     .inputs = {0, 0},
     .infer = infer_random,
     .run = run_random_uniform,
     .is_pure = false,
     .source = "https://onnx.ai/onnx/operators/onnx__RandomUniform.html"});
const RegisterOp kRandomUniformLike(
    {.name = "RandomUniformLike",
     .attributes = uniform_attributes(),
     .infer = infer_random_like,
     .run = run_random_uniform,
     .is_pure = false,
     .source = "https://onnx.ai/onnx/operators/onnx__RandomUniformLike.html"});
const RegisterOp kBernoulli({.name = "Bernoulli",
                             .attributes = {optional("dtype", AttrKind::kInt),
                                            optional("seed", AttrKind::kFloat)},
                             .infer = infer_bernoulli,
                             .run = run_bernoulli,
                             .is_pure = false,
                             .source = "https://onnx.ai/onnx/operators/onnx__Bernoulli.html"});

}  // namespace
}  // namespace planish
