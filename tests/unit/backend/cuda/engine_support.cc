// SPDX-License-Identifier: Apache-2.0
#include "unit/backend/cuda/engine_support.h"

#include <cmath>
#include <random>

#include "backend/cuda/compile/compile.h"
#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "ir/text.h"
#include "passes/infer.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

std::unique_ptr<ir::Graph> graph_of(const std::string& text) {
  auto graph = ir::parse(text);
  passes::infer_types(*graph, passes::Known::kIgnore);
  return graph;
}

std::string far_apart(const Datum& got, const Datum& want, double tolerance) {
  const Tensor& a = got.tensor();
  const Tensor& b = want.tensor();
  if (a.dtype() != b.dtype() || a.dims() != b.dims())
    return concat(dtype_name(a.dtype()), " ", dims_to_string(a.dims()), " instead of ",
                  dtype_name(b.dtype()), " ", dims_to_string(b.dims()));
  const auto x = load<double>(a), y = load<double>(b);
  double scale = 0;
  for (double v : y)
    if (std::isfinite(v)) scale = std::max(scale, std::fabs(v));
  for (size_t i = 0; i < x.size(); ++i) {
    const bool is_near = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) ||
                         std::fabs(x[i] - y[i]) <= tolerance * scale;
    if (!is_near) return concat("element ", i, " is ", x[i], ", not ", y[i]);
  }
  return {};
}

size_t host_steps(const plan::Plan& plan) {
  size_t count = 0;
  for (const plan::Record& record : plan.report) count += record.kind == "host" ? 1 : 0;
  return count;
}

}  // namespace

plan::Plan build_for_gpu(const std::string& text, const cuda::EmulatedGpu& gpu, Options options,
                         bool tunes) {
  if (!tunes) options.level = 0;
  options.kernel_cache = "none";
  const auto graph = graph_of(text);
  plan::Plan plan;
  plan.made_by = "0.0.0";
  passes::PassContext context;
  cuda::compile(*graph, options, context, {}, {}, gpu.compiler(), plan);
  return plan;
}

std::string check_on_gpu(const GpuCase& c) {
  cuda::EmulatedGpu gpu;
  gpu.set_chip(c.major, c.minor);
  plan::Plan plan = build_for_gpu(c.text, gpu, c.options, c.tunes);
  if (host_steps(plan) != static_cast<size_t>(c.host_steps)) {
    std::string names;
    for (const plan::Record& record : plan.report)
      if (record.kind == "host") names += concat(record.subject, "; ");
    return concat(host_steps(plan), " steps on the host: ", names);
  }
  EngineOptions options;
  options.threads = 1;
  options.poison = true;
  const auto engine = Engine::create(std::move(plan), options);
  const auto context = engine->create_context();
  const auto graph = graph_of(c.text);
  for (size_t r = 0; r < c.runs.size(); ++r) {
    RunBudget budget;
    const auto want = ref::interpret(*graph, c.runs[r], budget);
    for (int repeat = 0; repeat < 4; ++repeat) {
      const auto got = context->run(c.runs[r]);
      for (size_t i = 0; i < want.size(); ++i)
        if (const std::string what = far_apart(got[i], want[i], c.tolerance); !what.empty())
          return concat("inputs ", r, ", run ", repeat, ", output ", i, ": ", what);
    }
  }
  return {};
}

std::string error_on_gpu(const std::string& text, const std::vector<Datum>& inputs) {
  try {
    RunBudget budget;
    ref::interpret(*graph_of(text), inputs, budget);
    return {};
  } catch (const Error&) {
  }
  const cuda::EmulatedGpu gpu;
  try {
    const auto engine = Engine::create(build_for_gpu(text, gpu));
    engine->create_context()->run(inputs);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

Options with_precision(const std::string& precision) {
  Options options;
  options.precision = precision;
  return options;
}

namespace {

template <class Draw>
Datum filled(DType type, Dims dims, Draw draw) {
  Tensor t(type, std::move(dims));
  std::vector<double> values(static_cast<size_t>(t.count()));
  for (double& v : values) v = draw();
  store<double>(t, 0, t.count(), values.data());
  return t;
}

}  // namespace

Datum picks(DType type, Dims dims, int64_t least, int64_t greatest, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int64_t> numbers(least, greatest);
  return filled(type, std::move(dims), [&] { return static_cast<double>(numbers(random)); });
}

Datum noise(DType type, Dims dims, unsigned seed) {
  if (!is_float(type)) return picks(type, std::move(dims), -9, 9, seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> numbers(-1, 1);
  return filled(type, std::move(dims), [&] { return numbers(random); });
}

}  // namespace planish::test
