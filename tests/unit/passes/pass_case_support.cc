// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <unordered_map>

#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/infer.h"
#include "planish/error.h"
#include "support/op_case.h"
#include "support/pass_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

bool near(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-5 * std::max(std::fabs(a), std::fabs(b));
}

std::string tensor_difference(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims())
    return concat("constants ", dtype_name(a.dtype()), " ", dims_to_string(a.dims()), " and ",
                  dtype_name(b.dtype()), " ", dims_to_string(b.dims()));
  if (a.dtype() == DType::kString)
    return a.string_values() == b.string_values() ? "" : "constants of strings differ";
  const auto x = load<double>(a), y = load<double>(b);
  for (size_t i = 0; i < x.size(); ++i)
    if (!near(x[i], y[i])) return concat("element ", i, " of a constant: ", x[i], " and ", y[i]);
  return "";
}

std::string attribute_difference(const Attributes& a, const Attributes& b) {
  auto is_missing = [](const Attributes& in, const std::string& name) { return !in.has(name); };
  for (const auto& [name, value] : a)
    if (is_missing(b, name)) return concat("only one has attribute ", name);
  for (const auto& [name, value] : b) {
    if (is_missing(a, name)) return concat("only one has attribute ", name);
    const Attribute& other = *a.find(name);
    if (const auto* x = std::get_if<double>(&value)) {
      const auto* y = std::get_if<double>(&other);
      if (y == nullptr || !near(*x, *y)) return concat("attribute ", name, " differs");
    } else if (!equal(value, other)) {
      return concat("attribute ", name, " differs");
    }
  }
  return "";
}

// Compares two graphs from their outputs down.
class Comparer {
 public:
  std::string graphs(const ir::Graph& a, const ir::Graph& b) {
    if (a.inputs().size() != b.inputs().size()) return "numbers of inputs differ";
    if (a.outputs().size() != b.outputs().size()) return "numbers of outputs differ";
    for (size_t i = 0; i < a.inputs().size(); ++i) twins_[a.inputs()[i]] = b.inputs()[i];
    for (size_t i = 0; i < a.outputs().size(); ++i)
      if (std::string d = values(a.outputs()[i], b.outputs()[i]); !d.empty())
        return concat("output ", i, ": ", d);
    if (a.node_count() != b.node_count())
      return concat(a.node_count(), " and ", b.node_count(), " nodes");
    return "";
  }

 private:
  std::string values(const ir::Value* a, const ir::Value* b) {
    if (a == nullptr || b == nullptr) return a == b ? "" : "only one has this input";
    const auto twin = twins_.find(a);
    if (twin != twins_.end())
      return twin->second == b ? "" : concat("%", a->name(), " is another value than %", b->name());
    if (a->kind() != b->kind())
      return concat("%", a->name(), " and %", b->name(), " differ in kind");
    twins_[a] = b;
    if (a->is_constant()) return tensor_difference(a->constant(), b->constant());
    if (a->producer() == nullptr) return concat("%", a->name(), " and %", b->name(), " are inputs");
    if (a->output_index() != b->output_index()) return "output numbers differ";
    return nodes(*a->producer(), *b->producer());
  }

  std::string nodes(const ir::Node& a, const ir::Node& b) {
    if (a.op() != b.op()) return concat(a.op(), " and ", b.op());
    std::string d = attribute_difference(a.attributes(), b.attributes());
    const size_t count = std::max(a.inputs().size(), b.inputs().size());
    for (size_t i = 0; d.empty() && i < count; ++i)
      if (d = values(a.input(static_cast<int>(i)), b.input(static_cast<int>(i))); !d.empty())
        d = concat("input ", i, " of ", d);
    for (const auto& [name, body] : a.subgraphs()) {
      if (!d.empty()) break;
      const ir::Graph* other = b.subgraph(name);
      d = other == nullptr ? concat("only one has subgraph ", name) : graphs(*body, *other);
    }
    return d.empty() ? "" : concat(a.op(), " \"", a.name(), "\": ", d);
  }

  std::unordered_map<const ir::Value*, const ir::Value*> twins_;
};

// What a type says must not contradict what was said before.
void expect_types_hold(const std::vector<Type>& before, const ir::Graph& after) {
  for (size_t i = 0; i < before.size(); ++i) {
    const Type& now = after.outputs()[i]->type();
    EXPECT_NO_THROW(merge(before[i], now, "output"))
        << before[i].to_string() << " " << now.to_string();
    if (before[i].is_static()) {
      EXPECT_EQ(before[i].to_string(), now.to_string());
    }
  }
}

std::vector<Type> output_types(const ir::Graph& g) {
  std::vector<Type> out;
  for (const ir::Value* v : g.outputs()) out.push_back(v->type());
  return out;
}

void check_one(PassFunction pass, const PassCase& test) {
  const auto original = ir::parse(test.before), graph = ir::parse(test.before);
  passes::infer_types(*original, passes::Known::kIgnore);
  passes::infer_types(*graph, passes::Known::kIgnore);
  const auto types = output_types(*graph);
  passes::PassContext context;
  const bool changed = pass(*graph, context);
  ir::verify(*graph);
  if (!changed) {
    EXPECT_EQ(difference(*graph, *original), "") << "changed, and says that it did not";
  }
  passes::erase_dead_nodes(*graph, context);
  const bool fires = !test.after.empty();
  EXPECT_EQ(changed, fires) << ir::print(*graph);
  const auto expected = ir::parse(fires ? test.after : test.before);
  passes::infer_types(*expected, passes::Known::kIgnore);
  passes::erase_dead_nodes(*expected, context);
  EXPECT_EQ(difference(*graph, *expected), "") << ir::print(*graph) << "expected\n"
                                               << ir::print(*expected);
  expect_types_hold(types, *graph);
  if (changed) {
    EXPECT_FALSE(pass(*graph, context)) << "fires again\n" << ir::print(*graph);
  }
  if (!test.runs || !fires) return;
  for (int round = 0; round < 2; ++round) {
    Bindings bindings = small_sizes(*original, round);
    if (static_cast<size_t>(round) < test.sizes.size())
      for (const auto& [name, size] : test.sizes[static_cast<size_t>(round)]) bindings[name] = size;
    expect_same_results(*graph, *original, bindings, test.tolerance, concat("round ", round));
  }
}

}  // namespace

std::string difference(const ir::Graph& a, const ir::Graph& b) { return Comparer().graphs(a, b); }

Bindings small_sizes(const ir::Graph& graph, int round) {
  std::map<std::string, DimRange> symbols;
  for (const ir::Value* in : graph.inputs())
    if (in->type().has_rank())
      for (const Dim& d : *in->type().shape) d.collect_symbols(symbols);
  Bindings out;
  int64_t next = 2 + round;
  for (const auto& [name, range] : symbols) out[name] = next++;
  return out;
}

std::vector<Datum> random_inputs(const ir::Graph& graph, const Bindings& bindings, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const auto lookup = [&](const std::string& name) -> std::optional<int64_t> {
    const auto it = bindings.find(name);
    return it == bindings.end() ? std::nullopt : std::optional<int64_t>(it->second);
  };
  std::vector<Datum> out;
  for (const ir::Value* in : graph.inputs()) {
    const Type& type = in->type();
    if (!type.has_rank())
      throw Error(ErrorCode::kInvalidArgument, concat("input ", in->name(), " has no rank"));
    Dims dims;
    for (const Dim& d : *type.shape) dims.push_back(d.evaluate(lookup).value());
    Tensor t(type.dtype, dims);
    std::vector<double> values(static_cast<size_t>(t.count()));
    for (double& v : values)
      v = is_float(type.dtype)
              ? normal(random)
              : static_cast<double>(random() % (type.dtype == DType::kBool ? 2 : 5));
    store(t, values);
    out.emplace_back(std::move(t));
  }
  return out;
}

void expect_same_results(const ir::Graph& a, const ir::Graph& b, const Bindings& bindings,
                         double tolerance, const std::string& what) {
  SCOPED_TRACE(what);
  try {
    const auto inputs = random_inputs(b, bindings, 1234);
    RunBudget budget;
    const auto actual = ref::interpret(a, inputs, budget),
               expected = ref::interpret(b, inputs, budget);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i)
      expect_equal(actual[i], expected[i], tolerance, concat("output ", i));
  } catch (const Error& e) {
    ADD_FAILURE() << e.what() << "\n" << ir::print(a) << ir::print(b);
  }
}

void check_pass(PassFunction pass, std::initializer_list<PassCase> cases) {
  for (const PassCase& test : cases) {
    SCOPED_TRACE(test.name);
    try {
      check_one(pass, test);
    } catch (const Error& e) {
      ADD_FAILURE() << e.what();
    }
  }
}

}  // namespace planish::test
