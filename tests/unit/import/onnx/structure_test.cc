// SPDX-License-Identifier: Apache-2.0
// Graphs, names, inputs and initialisers.
#include <gmock/gmock.h>

#include "support/onnx_builder.h"

namespace planish::testing {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> input_names(const ir::Graph& graph) {
  std::vector<std::string> out;
  for (const ir::Value* v : graph.inputs()) out.push_back(v->name());
  return out;
}

TEST(OnnxStructure, KeepsNamesInputsAndOutputs) {
  ModelBuilder m;
  m.input("x", DType::kF32, {"batch", 3}).input("unused", DType::kI64, {});
  m.node("Relu", {"x"}, {"h"}).node("Add", {"h", "x"}, {"y"}).output("y").output("h");
  m.last().set_name("sum");
  const auto g = m.import();
  EXPECT_EQ(summary(*g), "h = Relu(x)\ny = Add(h, x)\n");
  EXPECT_EQ(input_names(*g), (std::vector<std::string>{"x", "unused"}));
  EXPECT_EQ(g->inputs()[0]->type().to_string(), "float32[batch, 3]");
  EXPECT_EQ(g->output_name(0), "y");
  EXPECT_EQ(g->outputs()[1]->name(), "h");
  EXPECT_EQ(g->nodes().back()->name(), "sum");
  EXPECT_EQ(g->nodes().front()->name(), "h") << "a node without a name is called after its output";
  EXPECT_EQ(g->nodes().back()->origins(), std::vector<std::string>{"sum"});
}

TEST(OnnxStructure, NodeNamesNeedNotBeUnique) {
  ModelBuilder m;
  m.input("x", DType::kF32, {1});
  m.node("Relu", {"x"}, {"a"}).last().set_name("n");
  m.node("Relu", {"a"}, {"b"}).output("b").graph();
  m.last().set_name("n");
  const auto g = m.import();
  EXPECT_NE(g->nodes().front()->name(), g->nodes().back()->name());
}

TEST(OnnxStructure, SortsNodes) {
  ModelBuilder m;
  m.input("x", DType::kF32, {2}).input("c", DType::kBool, {});
  SubgraphBuilder then, other;
  then.node("Neg", {"h"}, {"t"}).output("t");
  other.node("Abs", {"h"}, {"e"}).output("e");
  m.node("If", {"c"}, {"y"},
         {attr("then_branch", then.graph()), attr("else_branch", other.graph())});
  m.node("Relu", {"x"}, {"h"}).output("y");
  if (find_op("If") == nullptr) GTEST_SKIP();
  EXPECT_EQ(m.text(),
            "h = Relu(x)\n"
            "y = If(c)\n"
            "  then_branch:\n"
            "    t = Neg(h)\n"
            "  else_branch:\n"
            "    e = Abs(h)\n");
}

TEST(OnnxStructure, RefusesCycles) {
  ModelBuilder m;
  m.input("x", DType::kF32, {1})
      .node("Add", {"x", "b"}, {"a"})
      .node("Relu", {"a"}, {"b"})
      .output("b");
  const Error e = m.error();
  EXPECT_EQ(e.code(), ErrorCode::kInvalidModel);
  EXPECT_THAT(e.what(), HasSubstr("a cycle runs through nodes \"a\", \"b\""));
}

TEST(OnnxStructure, RefusesValuesMadeTwiceOrNever) {
  ModelBuilder twice;
  twice.input("x", DType::kF32, {1})
      .node("Relu", {"x"}, {"y"})
      .node("Neg", {"x"}, {"y"})
      .output("y");
  EXPECT_THAT(twice.error().what(), HasSubstr("value \"y\" is made by node"));
  ModelBuilder input;
  input.input("x", DType::kF32, {1}).node("Relu", {"x"}, {"x"}).output("x");
  EXPECT_EQ(input.error().code(), ErrorCode::kInvalidModel);
  ModelBuilder taken;
  taken.input("x", DType::kF32, {1}).input("x", DType::kF32, {1}).output("x");
  EXPECT_THAT(taken.error().what(), HasSubstr("value \"x\" is made twice"));
  ModelBuilder initialiser;
  initialiser.constant(float_tensor("w", {}, {1})).constant(float_tensor("w", {}, {2})).output("w");
  EXPECT_THAT(initialiser.error().what(), HasSubstr("two initialisers \"w\""));
  ModelBuilder never;
  never.input("x", DType::kF32, {1}).node("Add", {"x", "gone"}, {"y"}).output("y");
  EXPECT_THAT(never.error().what(), HasSubstr("value \"gone\" is not made"));
  EXPECT_EQ(never.error().node(), "y");
  ModelBuilder output;
  output.input("x", DType::kF32, {1}).output("z");
  EXPECT_THAT(output.error().what(), HasSubstr("value \"z\" is not made"));
}

TEST(OnnxStructure, InputsWithInitialisersAreConstantsUnlessKept) {
  ModelBuilder m(11, 3);
  m.input("x", DType::kF32, {2})
      .input("w", DType::kF32, {2})
      .constant(float_tensor("w", {2}, {1, 2}));
  m.node("Mul", {"x", "w"}, {"y"}).output("y");
  EXPECT_EQ(m.text(), "y = Mul(x, [1 2])\n");
  const auto kept = m.import({.keep_inputs = {"w"}});
  EXPECT_EQ(input_names(*kept), (std::vector<std::string>{"x", "w"}));
  const auto shaped = m.import({.shapes = {{"w", {Dim::symbol("k")}}}});
  EXPECT_EQ(shaped->inputs()[1]->type().to_string(), "float32[k]");
}

TEST(OnnxStructure, UnusedInitialisersLeaveNothing) {
  ModelBuilder m;
  m.input("x", DType::kF32, {1})
      .constant(float_tensor("w", {1}, {1}))
      .node("Relu", {"x"}, {"y"})
      .output("y");
  EXPECT_TRUE(m.import()->constants().empty());
}

TEST(OnnxStructure, OutputsMayBeInputsOrConstants) {
  ModelBuilder m;
  m.input("x", DType::kF32, {1}).constant(float_tensor("w", {1}, {1})).output("x").output("w");
  const auto g = m.import();
  EXPECT_EQ(g->outputs()[0], g->inputs()[0]);
  EXPECT_TRUE(g->outputs()[1]->is_constant());
  m.output("x");
  EXPECT_THAT(m.error().what(), HasSubstr("two outputs \"x\""));
}

TEST(OnnxStructure, UnknownDims) {
  ModelBuilder m;
  m.input("x", DType::kF32, {0, -1, "?", "", "n", "n"}).output("x");
  EXPECT_EQ(m.import()->inputs()[0]->type().to_string(), "float32[x.0, x.1, x.2, x.3, n, n]");
  ModelBuilder negative;
  negative.input("x", DType::kF32, {-2}).output("x");
  EXPECT_THAT(negative.error().what(), HasSubstr("dimension 0 is -2"));
}

TEST(OnnxStructure, DimExpressionsOverKnownSymbols) {
  ModelBuilder m;
  m.input("x", DType::kF32, {"past", "past + 1", "batch-size", "a + b", "7"}).output("x");
  EXPECT_EQ(m.import()->inputs()[0]->type().to_string(),
            "float32[past, past+1, \"batch-size\", \"a + b\", 7]");
}

TEST(OnnxStructure, ShapesReplaceDeclaredOnes) {
  ModelBuilder m;
  m.input("x", DType::kF32, {"n", 3}).input("y", DType::kF32, {"n", 8}).output("x").output("y");
  const auto g = m.import({.shapes = {{"x", {4, 5}}}});
  EXPECT_EQ(g->inputs()[0]->type().to_string(), "float32[4, 5]");
  EXPECT_EQ(g->inputs()[1]->type().to_string(), "float32[4, 8]") << "n is 4 everywhere";
  EXPECT_THAT(m.error({.shapes = {{"z", {1}}}}).what(),
              HasSubstr("there is no input \"z\"; the inputs are \"x\", \"y\""));
  EXPECT_THAT(m.error({.shapes = {{"x", {1}}}}).what(), HasSubstr("expected a shape of rank 2"));
}

TEST(OnnxStructure, Metadata) {
  ModelBuilder m(17, 8);
  m.opset("com.example", 3).input("x", DType::kF32, {1}).output("x");
  m.proto().set_producer_name("maker");
  m.proto().set_doc_string("about");
  auto* entry = m.proto().add_metadata_props();
  entry->set_key("character");
  entry->set_value("abc");
  const auto g = m.import();
  EXPECT_EQ(g->metadata().at("character"), "abc");
  EXPECT_EQ(g->metadata().at("onnx.producer_name"), "maker");
  EXPECT_EQ(g->metadata().at("onnx.doc_string"), "about");
  EXPECT_EQ(g->metadata().at("onnx.opset"), "ai.onnx:17,com.example:3");
  EXPECT_EQ(g->metadata().at("onnx.ir_version"), "8");
}

TEST(OnnxStructure, OpsetImports) {
  ModelBuilder twice(13);
  twice.opset("ai.onnx", 13);
  twice.input("x", DType::kF32, {1}).node("ai.onnx::Relu", {"x"}, {"y"}).output("y");
  EXPECT_EQ(twice.text(), "y = Relu(x)\n");
  ModelBuilder newer(28);
  newer.input("x", DType::kF32, {1}).output("x");
  EXPECT_EQ(newer.error().code(), ErrorCode::kUnsupported);
  ModelBuilder none;
  none.proto().clear_opset_import();
  none.input("x", DType::kF32, {1}).node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_THAT(none.error().what(), HasSubstr("imports no opset"));
  ModelBuilder ir_version(13, 14);
  EXPECT_EQ(ir_version.error().code(), ErrorCode::kUnsupported);
}

TEST(OnnxStructure, AbsentInputsAndUnwantedOutputs) {
  if (find_op("Clip") == nullptr || find_op("MaxPool") == nullptr) GTEST_SKIP();
  ModelBuilder m;
  m.input("x", DType::kF32, {1, 1, 4, 4}).constant(float_tensor("hi", {}, {6}));
  m.node("Clip", {"x", "", "hi"}, {"c"});
  m.node("MaxPool", {"c"}, {"y", ""}, {attr("kernel_shape", ints({2, 2}))}).output("y");
  EXPECT_EQ(m.text(), "c = Clip(x, _, 6)\ny, _ = MaxPool(c) kernel_shape=[2 2]\n");
}

TEST(OnnxStructure, ReportsAllUnsupportedNodesAtOnce) {
  ModelBuilder m;
  m.opset("com.example", 1).input("x", DType::kF32, {1});
  m.node("com.example::Magic", {"x"}, {"a"}).last().set_name("first");
  m.node("Relu", {"a"}, {"b"});
  m.node("NoSuchOp", {"b"}, {"c"});
  m.node("Relu", {"x"}, {"ok"});
  m.node("com.example::Trick", {"ok"}, {"d"}).output("c").output("d");
  const Error e = m.error();
  EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
  EXPECT_EQ(e.node(), "first");
  EXPECT_THAT(e.what(), HasSubstr("3 nodes are not supported"));
  EXPECT_THAT(e.what(), HasSubstr("node \"first\" (com.example Magic, opset 1): "));
  EXPECT_THAT(e.what(), HasSubstr("node \"c\" (ai.onnx NoSuchOp, opset 27): "));
  EXPECT_THAT(e.what(), HasSubstr("node \"d\" (com.example Trick, opset 1): "));
}

TEST(OnnxStructure, UnusedForeignDomainIsHarmless) {
  ModelBuilder m;
  m.opset("com.example", 99).input("x", DType::kF32, {1}).node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_EQ(m.text(), "y = Relu(x)\n");
}

TEST(OnnxStructure, SubgraphNamesMayHideOuterOnes) {
  if (find_op("If") == nullptr) GTEST_SKIP();
  ModelBuilder m;
  m.input("x", DType::kF32, {1}).input("c", DType::kBool, {});
  SubgraphBuilder then, other;
  then.constant(float_tensor("x", {1}, {5})).node("Neg", {"x"}, {"t"}).output("t");
  other.output("x");
  m.node("If", {"c"}, {"y"},
         {attr("then_branch", then.graph()), attr("else_branch", other.graph())})
      .output("y");
  EXPECT_EQ(m.text(), "y = If(c)\n  then_branch:\n    t = Neg([5])\n  else_branch:\n");
  const auto g = m.import();
  EXPECT_EQ(g->nodes().front()->subgraph("else_branch")->outputs()[0], g->inputs()[0]);
}

TEST(OnnxStructure, NamesAreChecked) {
  ModelBuilder bad;
  bad.input("\xff\xfe", DType::kF32, {1}).output("\xff\xfe");
  EXPECT_THAT(bad.error().what(), HasSubstr("UTF-8"));
  ModelBuilder empty;
  empty.input("", DType::kF32, {1});
  EXPECT_EQ(empty.error().code(), ErrorCode::kInvalidModel);
  ModelBuilder untyped;
  untyped.graph().add_input()->set_name("x");
  EXPECT_THAT(untyped.error().what(), HasSubstr("input \"x\" has no type"));
}

TEST(OnnxStructure, Attributes) {
  ModelBuilder unknown;
  unknown.input("x", DType::kF32, {1}).node("Relu", {"x"}, {"y"}, {attr("slope", 1)}).output("y");
  EXPECT_THAT(unknown.error().what(), HasSubstr("there is no attribute \"slope\""));
  ModelBuilder twice;
  twice.input("x", DType::kF32, {1})
      .node("Elu", {"x"}, {"y"}, {attr("alpha", 1.f), attr("alpha", 2.f)})
      .output("y");
  EXPECT_THAT(twice.error().what(), HasSubstr("attribute \"alpha\" is there twice"));
  ModelBuilder kind;
  kind.input("x", DType::kF32, {1}).node("Elu", {"x"}, {"y"}, {attr("alpha", "one")}).output("y");
  EXPECT_THAT(kind.error().what(), HasSubstr("expected float, got string"));
  ModelBuilder many;
  many.input("x", DType::kF32, {1}).node("Relu", {"x", "x"}, {"y"}).output("y");
  EXPECT_THAT(many.error().what(), HasSubstr("expected 1 inputs, got 2"));
  // A type number that no ONNX defines: field 20 with value 77.
  ModelBuilder strange;
  auto a = attr("alpha", 1.f);
  a.clear_type();
  a.mutable_unknown_fields()->append("\xA0\x01\x4D");
  strange.input("x", DType::kF32, {1}).node("Elu", {"x"}, {"y"}, {a}).output("y");
  EXPECT_THAT(strange.error().what(), HasSubstr("not one of ONNX's"));
  // IR version 1 does not say the type.
  ModelBuilder old;
  a.mutable_unknown_fields()->clear();
  old.input("x", DType::kF32, {1}).node("Elu", {"x"}, {"y"}, {a}).output("y");
  EXPECT_EQ(old.text(), "y = Elu(x) alpha=1\n");
}

}  // namespace
}  // namespace planish::testing
