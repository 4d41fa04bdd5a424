// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstring>

#include "base/str.h"
#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {

Tensor tensor(DType type, Dims dims, const std::vector<double>& values) {
  Tensor t(type, std::move(dims));
  EXPECT_EQ(t.count(), static_cast<int64_t>(values.size()));
  store<double>(t, values);
  return t;
}

Tensor counting(DType type, Dims dims) {
  std::vector<double> values(static_cast<size_t>(element_count(dims)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  return tensor(type, std::move(dims), values);
}

namespace {

class Subgraphs final : public SubgraphRunner {
 public:
  explicit Subgraphs(const OpCase& test) : test_(test) {}
  bool has(std::string_view name) const override {
    return test_.subgraphs.count(std::string(name)) != 0;
  }
  std::vector<Datum> run(std::string_view name, std::vector<Datum> inputs) override {
    return test_.subgraphs.at(std::string(name))(std::move(inputs));
  }

 private:
  const OpCase& test_;
};

void expect_close(const Tensor& actual, const Tensor& expected, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(dtype_name(actual.dtype()), dtype_name(expected.dtype())) << what;
  ASSERT_EQ(dims_to_string(actual.dims()), dims_to_string(expected.dims())) << what;
  if (actual.dtype() == DType::kString) {
    EXPECT_EQ(actual.string_values(), expected.string_values()) << what;
    return;
  }
  if (!is_float(actual.dtype()) && !is_complex(actual.dtype())) {
    EXPECT_EQ(load<int64_t>(actual), load<int64_t>(expected)) << what;
    return;
  }
  const auto a = load<std::complex<double>>(actual), e = load<std::complex<double>>(expected);
  double scale = 1e-30;
  for (const auto& v : e)
    if (std::isfinite(std::abs(v))) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(e[i].real()) || std::isinf(e[i].real())) {
      EXPECT_TRUE(a[i].real() == e[i].real() ||
                  (std::isnan(a[i].real()) && std::isnan(e[i].real())))
          << what << " element " << i << ": " << a[i] << ", expected " << e[i];
    } else {
      EXPECT_LE(std::abs(a[i] - e[i]), tolerance * scale)
          << what << " element " << i << ": " << a[i] << ", expected " << e[i];
    }
  }
}

// How a case's inputs are shown to the shape rule.
enum class View {
  kSymbolicDims,       // dims are symbols; nothing is known of contents
  kDimsWithConstants,  // the same; small integer inputs are constants
  kContents,           // static dims; small integer inputs have contents that are symbols
  kUnknownRank,        // nothing but the element types
  kNothing             // not even those
};

class SymbolicInfer final : public InferContext {
 public:
  SymbolicInfer(const OpCase& test, View view) : test_(test), attributes_copy_(test.attributes) {
    attributes_ = &attributes_copy_;
    node_ = &test.name;
    op_ = &test.op;
    types_.resize(test.inputs.size());
    known_.resize(test.inputs.size());
    for (size_t i = 0; i < test.inputs.size(); ++i) show(i, view);
    for (size_t i = 0; i < test.inputs.size(); ++i) {
      inputs_.push_back(test.inputs[i] ? &types_[i] : nullptr);
      contents_.push_back(known_[i] ? &*known_[i] : nullptr);
    }
    for (const auto& out : test.outputs) wanted_.push_back(out.has_value());
    outputs_.resize(test.outputs.size());
    output_contents_.resize(test.outputs.size());
  }

  Dim fresh_dim() override { return Dim::symbol(concat("?", ++fresh_)); }
  std::vector<Type> infer_subgraph(std::string_view, const std::vector<Type>&) override {
    return {};
  }

  // What the rule said of output i must hold for `actual`.
  void check(size_t i, const Datum& actual, const std::string& what) const {
    const Type& said = outputs_[i];
    const Type is = type_of(actual);
    if (said.kind == Type::Kind::kUnknown || said.kind != is.kind) {
      // An optional's type is not that of what it holds.
      EXPECT_TRUE(said.kind == Type::Kind::kUnknown || said.kind == Type::Kind::kOptional)
          << what << ": said " << said.to_string() << ", is " << is.to_string();
      return;
    }
    if (!is.is_tensor()) return;
    if (said.dtype != DType::kUndefined) {
      EXPECT_EQ(dtype_name(said.dtype), dtype_name(is.dtype)) << what;
    }
    if (said.shape) check_shape(*said.shape, *is.shape, what);
    if (output_contents_[i]) check_contents(*output_contents_[i], actual.tensor(), what);
  }

 private:
  Dim bind(const std::string& name, int64_t value) {
    bindings_[name] = value;
    return Dim::symbol(name, {std::min<int64_t>(value, 0), INT64_MAX});
  }

  void show(size_t i, View view) {
    constants_.push_back(nullptr);
    const auto& input = test_.inputs[i];
    if (!input) return;
    types_[i] = type_of(*input);
    if (!input->is_tensor()) return;
    const Tensor& t = input->tensor();
    const bool is_small = (is_integer(t.dtype()) || t.dtype() == DType::kBool) && t.count() <= 64;
    if (view == View::kNothing) types_[i] = Type{};
    if (view == View::kUnknownRank) types_[i].shape.reset();
    if (view == View::kSymbolicDims || (view == View::kDimsWithConstants && !is_small))
      for (size_t k = 0; k < types_[i].shape->size(); ++k)
        (*types_[i].shape)[k] = bind(concat("d", i, "_", k), t.dims()[k]);
    if (view == View::kDimsWithConstants && is_small) constants_.back() = &t;
    if (view == View::kContents && is_small && t.rank() <= 1) {
      known_[i].emplace();
      // A 0 stays one: to Reshape it means another thing than a dim that happens to be 0.
      for (int64_t k = 0; k < t.count(); ++k) {
        const auto v = element<int64_t>(t, k);
        known_[i]->push_back(v == 0 ? Dim(0) : bind(concat("c", i, "_", k), v));
      }
    }
  }

  // Fresh symbols are bound to nothing, so what holds them evaluates to nothing.
  std::optional<int64_t> value(const Dim& dim) const {
    return dim.evaluate([&](const std::string& name) -> std::optional<int64_t> {
      const auto it = bindings_.find(name);
      return it == bindings_.end() ? std::nullopt : std::optional(it->second);
    });
  }

  void check_shape(const Shape& said, const Shape& is, const std::string& what) const {
    ASSERT_EQ(said.size(), is.size())
        << what << ": said " << to_string(said) << ", is " << to_string(is);
    for (size_t k = 0; k < said.size(); ++k) {
      const auto v = value(said[k]);
      if (v) {
        EXPECT_EQ(*v, is[k].value())
            << what << ": said " << to_string(said) << ", is " << to_string(is);
      }
    }
  }

  void check_contents(const Contents& said, const Tensor& is, const std::string& what) const {
    ASSERT_EQ(static_cast<int64_t>(said.size()), is.count()) << what << ": contents";
    EXPECT_LE(is.rank(), 1) << what << ": contents of more than a vector";
    for (size_t k = 0; k < said.size(); ++k) {
      const auto v = said[k] ? value(*said[k]) : std::nullopt;
      if (v) {
        EXPECT_EQ(*v, element<int64_t>(is, static_cast<int64_t>(k)))
            << what << ": contents " << k << " is said to be " << said[k]->to_string();
      }
    }
  }

  const OpCase& test_;
  Attributes attributes_copy_;
  std::vector<Type> types_;
  std::vector<std::optional<Contents>> known_;
  std::map<std::string, int64_t> bindings_;
  int fresh_ = 0;
};

void check_rule(const OpCase& test, const std::vector<Datum>& actual) {
  static constexpr std::pair<View, const char*> kViews[] = {
      {View::kSymbolicDims, "symbolic dims"},
      {View::kDimsWithConstants, "symbolic dims with constants"},
      {View::kContents, "symbolic contents"},
      {View::kUnknownRank, "unknown ranks"},
      {View::kNothing, "nothing known"}};
  for (const auto& [view, label] : kViews) {
    SymbolicInfer context(test, view);
    const std::string what = concat(test.name, " (", test.op, "), shape rule with ", label);
    try {
      get_op(test.op).infer(context);
    } catch (const std::exception& e) {
      ADD_FAILURE() << what << " threw: " << e.what();
      continue;
    }
    for (size_t i = 0; i < actual.size(); ++i)
      if (test.outputs[i]) context.check(i, actual[i], concat(what, ", output ", i));
  }
}

}  // namespace

void expect_equal(const Datum& actual, const Datum& expected, double tolerance,
                  const std::string& what) {
  if (expected.empty()) {
    EXPECT_TRUE(actual.empty()) << what;
  } else if (expected.is_tensor()) {
    ASSERT_TRUE(actual.is_tensor()) << what;
    expect_close(actual.tensor(), expected.tensor(), tolerance, what);
  } else if (expected.is_sequence()) {
    ASSERT_TRUE(actual.is_sequence()) << what;
    ASSERT_EQ(actual.items().size(), expected.items().size()) << what;
    for (size_t i = 0; i < expected.items().size(); ++i)
      expect_equal(actual.items()[i], expected.items()[i], tolerance, concat(what, "[", i, "]"));
  } else {
    const auto* a = std::get_if<std::shared_ptr<const MapDatum>>(&actual.held);
    ASSERT_NE(a, nullptr) << what;
    const auto& e = std::get<std::shared_ptr<const MapDatum>>(expected.held);
    expect_close((*a)->keys, e->keys, tolerance, what + " keys");
    expect_close((*a)->values, e->values, tolerance, what + " values");
  }
}

std::vector<Datum> evaluate_case(const OpCase& test) {
  const OpDef& op = get_op(test.op);
  std::vector<std::string> names;
  for (const auto& [name, body] : test.subgraphs) names.push_back(name);
  const size_t output_count =
      std::max<size_t>(test.outputs.size(), static_cast<size_t>(std::max(op.outputs.min, 1)));
  check_node(op, test.name, test.attributes, names, static_cast<int>(test.inputs.size()),
             static_cast<int>(output_count));
  std::vector<const Datum*> inputs;
  for (const auto& input : test.inputs) inputs.push_back(input ? &*input : nullptr);
  std::vector<Datum> actual(output_count);
  std::vector<Datum*> outputs;
  for (size_t i = 0; i < output_count; ++i)
    outputs.push_back(i < test.outputs.size() && !test.outputs[i] ? nullptr : &actual[i]);
  RunBudget budget(test.limits);
  Subgraphs runner(test);
  evaluate(op, test.name, test.attributes, inputs, outputs, &runner, budget);
  return actual;
}

void check_case(const OpCase& test) {
  SCOPED_TRACE(concat(test.op, ": ", test.name));
  std::vector<Datum> actual;
  try {
    actual = evaluate_case(test);
  } catch (const Error& e) {
    if (!test.error) {
      ADD_FAILURE() << "threw " << e.code_name() << ": " << e.what();
      return;
    }
    EXPECT_EQ(e.code_name(), std::string(error_code_name(*test.error))) << e.what();
    EXPECT_NE(std::string(e.what()).find(test.message), std::string::npos)
        << "expected \"" << test.message << "\" in \"" << e.what() << "\"";
    return;
  }
  if (test.error) {
    ADD_FAILURE() << "expected the error \"" << test.message << "\"";
    return;
  }
  for (size_t i = 0; i < test.outputs.size(); ++i)
    if (test.outputs[i])
      expect_equal(actual[i], *test.outputs[i], test.tolerance, concat("output ", i));
  check_rule(test, actual);
}

void check_cases(std::initializer_list<OpCase> cases) {
  for (const OpCase& test : cases) check_case(test);
}

}  // namespace planish::test
