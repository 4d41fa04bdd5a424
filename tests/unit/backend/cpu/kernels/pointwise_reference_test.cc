// SPDX-License-Identifier: Apache-2.0
// Every row of pointwise.def: the portable kernel against the vector loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/cpu/kernels/pointwise.h"
#include "ops/evaluate.h"
#include "ops/pointwise_run.h"
#include "tensor/elements.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::isas_here;
using testing::Random;

constexpr int64_t kCount = 531;

Tensor reference(const PointwiseRow& row, const Attributes& attributes,
                 const std::vector<Tensor>& inputs) {
  std::vector<Datum> data(inputs.begin(), inputs.end());
  std::vector<const Datum*> in;
  for (const Datum& datum : data) in.push_back(&datum);
  Datum out;
  Datum* outs[] = {&out};
  RunBudget budget;
  evaluate(get_op(row.name), "node", attributes, in, outs, nullptr, budget);
  return out.tensor();
}

Tensor vectors(Isa isa, int op, const Attributes& attributes, const std::vector<Tensor>& inputs,
               TapeDomain domain, DType out_type) {
  PointwiseTape tape;
  for (const Tensor& input : inputs) tape.inputs.push_back({input.dtype(), domain});
  TapeInstruction step{.op = op, .domain = domain, .a = 0, .b = 1, .c = 2};
  read_pointwise_attributes(pointwise_row(op), attributes, step.attributes);
  tape.instructions = {step};
  tape.outputs = {{.value = static_cast<int32_t>(inputs.size()), .dtype = out_type}};
  const PointwiseProgram program(tape, isa);
  Tensor out(out_type, {kCount});
  PointwiseParams params;
  params.program = &program;
  params.rank = 1;
  params.dims[0] = kCount;
  for (size_t i = 0; i < inputs.size(); ++i) {
    params.inputs[i].data = const_cast<std::byte*>(inputs[i].data());
    params.inputs[i].strides[0] = inputs[i].count() == 1 ? 0 : 1;
  }
  params.outputs[0] = {out.data(), {1}};
  ThreadPool pool(1);
  run_pointwise(params, pool);
  return out;
}

std::vector<Tensor> make_inputs(const PointwiseRow& row, DType type) {
  std::vector<Tensor> inputs;
  Random random(37);
  for (int i = 0; i < row.arity(); ++i) {
    const bool condition = row.inputs == PointwiseInputs::kWhere && i == 0;
    const bool bound = row.inputs == PointwiseInputs::kClip && i > 0;
    Tensor input(condition ? DType::kBool : type, bound ? Dims{} : Dims{kCount});
    std::vector<double> values(static_cast<size_t>(input.count()));
    for (double& v : values) {
      v = is_float(type) ? random.real(-4, 4) : static_cast<double>(random.below(40) - 20);
      if (!is_float(type) && dtype_class(type) == DTypeClass::kUnsigned) v = std::fabs(v);
      if (condition || type == DType::kBool) v = static_cast<double>(random.below(2));
      if (bound) v = i == 1 ? -1 : 2;
      // Integers have no quotient by zero.
      if (i == 1 && v == 0 && (row.name == "Div" || row.name == "Mod")) v = 3;
    }
    if (is_float(type) && i == 0) {
      values[3] = NAN;
      values[4] = HUGE_VAL;
      values[5] = -HUGE_VAL;
      values[6] = 0.0;
      values[7] = -0.0;
    }
    store(input, values);
    inputs.push_back(input);
  }
  return inputs;
}

// Attribute settings to try: the defaults, and each choice and integer turned the other way.
std::vector<Attributes> settings(const PointwiseRow& row) {
  using Kind = PointwiseAttribute::Kind;
  std::vector<Attributes> all(1);
  for (const PointwiseAttribute& attribute : row.attributes) {
    Attributes other;
    const std::string name(attribute.name);
    if (attribute.kind == Kind::kChoice) other.set(name, std::string(attribute.choices[1]));
    if (attribute.kind == Kind::kInt) other.set(name, int64_t{attribute.number == 0});
    if (attribute.kind == Kind::kFloat) other.set(name, attribute.number + 0.75);
    if (attribute.kind != Kind::kAbsent) all.push_back(other);
  }
  return all;
}

void compare(Isa isa, int index, DType type, TapeDomain domain) {
  const PointwiseRow& row = pointwise_row(index);
  const std::vector<Tensor> inputs = make_inputs(row, type);
  for (const Attributes& attributes : settings(row)) {
    const Tensor want = reference(row, attributes, inputs);
    const Tensor got = vectors(isa, index, attributes, inputs, domain, want.dtype());
    const std::vector<double> w = load<double>(want);
    const std::vector<double> g = load<double>(got);
    for (size_t i = 0; i < w.size(); ++i) {
      if (std::isnan(w[i]) && std::isnan(g[i])) continue;
      if (w[i] == g[i]) continue;
      ASSERT_NEAR(g[i], w[i], row.tolerance * std::max(1.0, std::fabs(w[i])))
          << isa_name(isa) << " " << row.name << " of " << dtype_name(type) << " at " << i
          << ": a = " << load<double>(inputs[0])[i];
    }
  }
}

TEST(PointwiseRows, FloatsAgreeWithTheReference) {
  for (Isa isa : isas_here()) {
    for (int i = 0; i < kPointwiseRowCount; ++i) {
      if ((pointwise_row(i).classes & PointwiseClass::kFloats) == 0) continue;
      compare(isa, i, DType::kF32, TapeDomain::kF32);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(PointwiseRows, IntegersAndTruthsAgreeWithTheReference) {
  for (Isa isa : isas_here()) {
    for (int i = 0; i < kPointwiseRowCount; ++i) {
      const uint32_t classes = pointwise_row(i).classes;
      if ((classes & PointwiseClass::kSigned) != 0) {
        for (DType type : {DType::kI8, DType::kI32, DType::kI64}) {
          compare(isa, i, type, TapeDomain::kI64);
        }
      }
      if ((classes & PointwiseClass::kUnsigned) != 0) {
        for (DType type : {DType::kU8, DType::kU32}) compare(isa, i, type, TapeDomain::kI64);
      }
      if ((classes & PointwiseClass::kBools) != 0) {
        compare(isa, i, DType::kBool, TapeDomain::kI64);
        compare(isa, i, DType::kBool, TapeDomain::kF32);
      }
      if (HasFatalFailure()) return;
    }
  }
}

TEST(PointwiseRows, EveryRowIsAnOperator) {
  for (int i = 0; i < kPointwiseRowCount; ++i) {
    EXPECT_NE(find_op(pointwise_row(i).name), nullptr) << pointwise_row(i).name;
    EXPECT_EQ(find_pointwise_row(pointwise_row(i).name), i);
  }
  EXPECT_EQ(find_pointwise_row("Conv"), -1);
}

}  // namespace
}  // namespace planish::cpu
