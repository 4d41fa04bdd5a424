// SPDX-License-Identifier: Apache-2.0
#include "unit/backend/cpu/step_case_support.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "backend/cpu/kernels/isa.h"
#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "compiler/builder.h"
#include "ir/text.h"
#include "ops/op.h"
#include "passes/infer.h"
#include "plan/reader.h"
#include "plan/writer.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

std::string whole_text(const StepCase& c) {
  return c.graph.find("graph ") != std::string::npos ? c.graph
                                                     : concat("graph \"case\" {\n", c.graph, "\n}");
}

double special(uint32_t draw, double fallback) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (draw % 7) {
    case 0: return std::nan("");
    case 1: return kInfinity;
    case 2: return -kInfinity;
    case 3: return -0.0;
    default: return fallback;
  }
}

Tensor random_tensor(DType type, Dims dims, Values values, std::mt19937& random) {
  Tensor t(type, std::move(dims));
  std::vector<double> numbers(static_cast<size_t>(t.count()));
  std::normal_distribution<double> normal;
  for (double& v : numbers) {
    if (is_float(type)) {
      v = normal(random);
      if (values == Values::kSpecial) v = special(random(), v);
    } else if (type == DType::kU8) {
      v = random() % 256;
    } else if (type == DType::kI8) {
      v = static_cast<double>(random() % 256) - 128;
    } else {
      v = random() % (type == DType::kBool ? 2 : 3);
    }
  }
  store<double>(t, numbers);
  return t;
}

std::vector<Datum> random_inputs(const ir::Graph& graph, const std::vector<Dims>& shapes,
                                 Values values, std::mt19937& random) {
  std::vector<Datum> inputs;
  for (size_t i = 0; i < graph.inputs().size(); ++i) {
    const Type& type = graph.inputs()[i]->type();
    Dims dims;
    if (!shapes.empty()) {
      dims = shapes[i];
    } else {
      for (const Dim& d : *type.shape) dims.push_back(d.value());
    }
    inputs.emplace_back(random_tensor(type.dtype, std::move(dims), values, random));
  }
  return inputs;
}

double tolerance_of(const ir::Graph& graph) {
  double tolerance = 0;
  for (const auto& node : graph.nodes()) {
    tolerance = std::max(tolerance, get_op(node->op()).tolerance.relative);
    // The graph as it was written rounds narrow floats at every node.
    for (const ir::Value* out : node->outputs()) {
      if (out->type().dtype == DType::kF16) tolerance = std::max(tolerance, 4e-3);
      if (out->type().dtype == DType::kBF16) tolerance = std::max(tolerance, 3e-2);
    }
  }
  return tolerance;
}

void compare_integers(const Tensor& actual, const Tensor& expected, int apart) {
  const auto a = load<int64_t>(actual), e = load<int64_t>(expected);
  if (apart == 0) {
    ASSERT_EQ(a, e);
    return;
  }
  size_t different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_LE(std::abs(a[i] - e[i]), apart) << "element " << i;
    different += a[i] != e[i] ? 1 : 0;
  }
  ASSERT_LE(different, a.size() / 200) << "of " << a.size() << " elements differ";
}

void compare(const Tensor& actual, const Tensor& expected, double tolerance, int apart) {
  ASSERT_EQ(dtype_name(actual.dtype()), dtype_name(expected.dtype()));
  ASSERT_EQ(dims_to_string(actual.dims()), dims_to_string(expected.dims()));
  if (!is_float(actual.dtype())) {
    return compare_integers(actual, expected, apart);
  }
  const auto a = load<double>(actual), e = load<double>(expected);
  double scale = 1e-30;
  for (double v : e)
    if (std::isfinite(v)) scale = std::max(scale, std::fabs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i]));
    if (!same) {
      ASSERT_LE(std::fabs(a[i] - e[i]), tolerance * scale)
          << "element " << i << ": " << a[i] << ", expected " << e[i];
    }
  }
}

void check_kernels(const plan::Plan& plan, const StepCase& c) {
  const bool counts_transposes =
      std::find(c.kernels.begin(), c.kernels.end(), "cpu.transpose") != c.kernels.end();
  std::vector<std::string> used;
  for (const plan::Program& program : plan.programs)
    for (const plan::Step& step : program.steps)
      if (counts_transposes || step.kernel != "cpu.transpose") used.push_back(step.kernel);
  EXPECT_EQ(used, c.kernels);
}

plan::Plan build_for(const StepCase& c, cpu::Isa isa) {
  BuildRequest request;
  request.options.isa = cpu::isa_name(isa);
  request.options.disable_tactic = c.disable_tactic;
  const plan::Plan plan = build_graph(ir::parse(whole_text(c)), request);
  return plan::read_plan(plan::write_plan(plan));
}

}  // namespace

std::string random_constant(const std::string& name, DType type, const Dims& dims, int low,
                            int high) {
  std::mt19937 random(static_cast<uint32_t>(7 + dims.size()));
  std::string out = concat("const %", name, " = ", dtype_name(type), "[");
  for (size_t i = 0; i < dims.size(); ++i) out += concat(i == 0 ? "" : ", ", dims[i]);
  out += "] {";
  for (int64_t i = 0; i < element_count(dims); ++i) {
    const int draw = static_cast<int>(random() % 2001);
    out += i == 0 ? "" : ", ";
    out += is_float(type) ? concat(draw / 1000 - 1, ".", 100 + draw % 900)
                          : std::to_string(low + draw % (high - low + 1));
  }
  return out + "}\n";
}

std::string deconv_graph(const std::string& tail) {
  return concat("input %x : float32[2, 7, 5, 6]\ninput %r : float32[2, 13, 9, 17]\n",
                random_constant("w", DType::kF32, {6, 17, 3, 3}),
                random_constant("b", DType::kF32, {17}),
                "%y = planish.ConvTransposeNhwc(%x, %w, %b) {strides=[2, 2], pads=[1, 1, 1, 1]}\n",
                tail, "\noutput %z");
}

void check_steps(const StepCase& c) {
  const auto graph = ir::parse(whole_text(c));
  passes::infer_types(*graph, passes::Known::kIgnore);
  const double tolerance = tolerance_of(*graph);
  const auto runs = c.runs.empty() ? std::vector<std::vector<Dims>>{{}} : c.runs;
  std::vector<std::vector<Datum>> inputs, expected;
  std::mt19937 random(1);
  for (const auto& shapes : runs) {
    inputs.push_back(random_inputs(*graph, shapes, c.values, random));
    RunBudget budget;
    expected.push_back(ref::interpret(*graph, inputs.back(), budget));
  }
  for (cpu::Isa isa : cpu::kAllIsas) {
    if (!cpu::isa_supported(isa) || (c.best_isa_only && isa != cpu::best_isa())) continue;
    const plan::Plan plan = build_for(c, isa);
    check_kernels(plan, c);
    for (int threads : {1, 3}) {
      const auto context =
          Engine::create(plan, {.threads = threads, .poison = true})->create_context();
      for (int round = 0; round < 2; ++round)
        for (size_t i = 0; i < runs.size(); ++i) {
          SCOPED_TRACE(
              concat(cpu::isa_name(isa), ", ", threads, " threads, round ", round, ", run ", i));
          const std::vector<Datum> outputs = context->run(inputs[i]);
          ASSERT_EQ(outputs.size(), expected[i].size());
          for (size_t k = 0; k < outputs.size(); ++k) {
            SCOPED_TRACE(concat("output ", k));
            compare(outputs[k].tensor(), expected[i][k].tensor(), tolerance, c.apart);
            if (::testing::Test::HasFatalFailure()) return;
          }
        }
    }
  }
}

}  // namespace planish::test
