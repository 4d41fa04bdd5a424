// SPDX-License-Identifier: Apache-2.0
// Local functions are inlined.
#include <gmock/gmock.h>

#include "support/onnx_builder.h"

namespace planish::testing {
namespace {

using ::testing::HasSubstr;

void add(pb::FunctionProto& f, const std::string& op, const std::vector<std::string>& inputs,
         const std::vector<std::string>& outputs,
         const std::vector<pb::AttributeProto>& attributes = {}) {
  *f.add_node() = make_node(op, inputs, outputs, attributes);
}

TEST(OnnxFunctions, AreInlinedUnderTheirOwnNames) {
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {2});
  auto& f = m.function("local", "Twice", {"a"}, {"b"});
  add(f, "Relu", {"h"}, {"b"});
  add(f, "Neg", {"a"}, {"h"});
  m.node("local::Twice", {"x"}, {"y"}).last().set_name("call1");
  m.node("local::Twice", {"y"}, {"z"}).output("z");
  EXPECT_EQ(m.text(),
            "call1/h = Neg(x)\n"
            "y = Relu(call1/h)\n"
            "z/h = Neg(y)\n"
            "z = Relu(z/h)\n");
}

TEST(OnnxFunctions, AttributesAndTheirDefaults) {
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {2});
  auto& f = m.function("local", "F", {"a"}, {"b"});
  f.add_attribute("slope");
  *f.add_attribute_proto() = attr("top", 3.f);
  add(f, "LeakyRelu", {"a"}, {"h"}, {attr_ref("alpha", "slope", pb::AttributeProto::FLOAT)});
  add(f, "Elu", {"h"}, {"b"}, {attr_ref("alpha", "top", pb::AttributeProto::FLOAT)});
  m.node("local::F", {"x"}, {"y"}, {attr("slope", 0.5f)});
  m.node("local::F", {"y"}, {"z"}, {attr("top", 2.f)}).output("z");
  EXPECT_EQ(m.text(),
            "y/h = LeakyRelu(x) alpha=0.5\n"
            "y = Elu(y/h) alpha=3\n"
            "z/h = LeakyRelu(y)\n"
            "z = Elu(z/h) alpha=2\n");
}

TEST(OnnxFunctions, AbsentInputsStayAbsent) {
  if (find_op("Clip") == nullptr) GTEST_SKIP();
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {2});
  add(m.function("local", "F", {"a", "low", "high"}, {"b"}), "Clip", {"a", "low", "high"}, {"b"});
  m.constant(float_tensor("six", {}, {6}))
      .node("local::F", {"x", "", "six"}, {"y"})
      .node("local::F", {"y"}, {"z"});
  m.output("z");
  EXPECT_EQ(m.text(), "y = Clip(x, _, 6)\nz = Clip(y)\n");
}

TEST(OnnxFunctions, NestAndHaveOpsetsOfTheirOwn) {
  if (find_op("Squeeze") == nullptr) GTEST_SKIP();
  ModelBuilder m(27);
  m.opset("local", 1).input("x", DType::kF32, {2, 1});
  auto& inner = m.function("local", "Inner", {"a"}, {"b"});
  auto* import = inner.add_opset_import();
  import->set_domain("");
  import->set_version(11);
  add(inner, "Squeeze", {"a"}, {"b"}, {attr("axes", ints({1}))});
  add(m.function("local", "Outer", {"a"}, {"b"}), "local::Inner", {"a"}, {"b"});
  m.node("local::Outer", {"x"}, {"y"}).output("y");
  EXPECT_EQ(m.text(), "y = Squeeze(x, [1])\n");
}

TEST(OnnxFunctions, ConstantsAreSharedBetweenCalls) {
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {4});
  auto& f = m.function("local", "F", {"a"}, {"b"});
  add(f, "Constant", {}, {"c"},
      {attr("value", raw_tensor("", DType::kF32, {4}, std::string(16, '\0')))});
  add(f, "Add", {"a", "c"}, {"b"});
  m.node("local::F", {"x"}, {"y"}).node("local::F", {"y"}, {"z"}).output("z");
  const auto g = m.import();
  ASSERT_EQ(g->constants().size(), 2u);
  EXPECT_EQ(g->constants()[0]->constant().data(), g->constants()[1]->constant().data());
}

TEST(OnnxFunctions, RecursionIsRefused) {
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {2});
  add(m.function("local", "F", {"a"}, {"b"}), "local::G", {"a"}, {"b"});
  add(m.function("local", "G", {"a"}, {"b"}), "local::F", {"a"}, {"b"});
  m.node("local::F", {"x"}, {"y"}).output("y");
  EXPECT_EQ(m.error().code(), ErrorCode::kInvalidModel);
  EXPECT_THAT(m.error().what(), HasSubstr("function \"F\" calls itself"));
}

TEST(OnnxFunctions, ExpansionHasABudget) {
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {2});
  add(m.function("local", "F0", {"a"}, {"b"}), "Relu", {"a"}, {"b"});
  for (int i = 1; i < 30; ++i) {
    auto& f = m.function("local", "F" + std::to_string(i), {"a"}, {"b"});
    add(f, "local::F" + std::to_string(i - 1), {"a"}, {"h"});
    add(f, "local::F" + std::to_string(i - 1), {"h"}, {"b"});
  }
  m.node("local::F29", {"x"}, {"y"}).output("y");
  const Error e = m.error({.limits = {.nodes = 10000}});
  EXPECT_EQ(e.code(), ErrorCode::kBudgetExceeded);
  EXPECT_THAT(e.hint(), HasSubstr("max_model_nodes"));
}

TEST(OnnxFunctions, CallsHaveADepth) {
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {2});
  for (int i = 0; i < 5000; ++i)
    add(m.function("local", "F" + std::to_string(i), {"a"}, {"b"}),
        "local::F" + std::to_string(i + 1), {"a"}, {"b"});
  m.node("local::F0", {"x"}, {"y"}).output("y");
  EXPECT_EQ(m.error().code(), ErrorCode::kBudgetExceeded);
}

TEST(OnnxFunctions, WrongUses) {
  ModelBuilder twice;
  twice.function("local", "F", {"a"}, {"a"});
  twice.function("local", "F", {"a"}, {"a"});
  EXPECT_THAT(twice.error().what(), HasSubstr("defined twice"));
  ModelBuilder many;
  many.opset("local", 1).input("x", DType::kF32, {2});
  add(many.function("local", "F", {"a"}, {"b"}), "Relu", {"a"}, {"b"});
  many.node("local::F", {"x", "x"}, {"y"}).output("y");
  EXPECT_THAT(many.error().what(), HasSubstr("expected at most 1 inputs"));
  ModelBuilder outside;
  outside.input("x", DType::kF32, {2});
  outside.node("Elu", {"x"}, {"y"}, {attr_ref("alpha", "a", pb::AttributeProto::FLOAT)})
      .output("y");
  EXPECT_THAT(outside.error().what(), HasSubstr("outside of a function"));
  ModelBuilder unsupported;
  unsupported.opset("local", 1).input("x", DType::kF32, {2});
  add(unsupported.function("local", "F", {"a"}, {"b"}), "local::Missing", {"a"}, {"b"});
  unsupported.node("local::F", {"x"}, {"y"}).output("y");
  EXPECT_THAT(unsupported.error().what(), HasSubstr("node \"y/b\" (local Missing"));
}

TEST(OnnxFunctions, AnOutputMayBeAnInput) {
  ModelBuilder m;
  m.opset("local", 1).input("x", DType::kF32, {2});
  m.function("local", "Same", {"a"}, {"a"});
  m.node("local::Same", {"x"}, {"y"}).output("y");
  const auto g = m.import();
  EXPECT_EQ(g->outputs()[0], g->inputs()[0]);
  EXPECT_EQ(g->output_name(0), "y");
}

}  // namespace
}  // namespace planish::testing
