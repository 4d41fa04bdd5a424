// SPDX-License-Identifier: Apache-2.0
// Whole canonicalization of small networks as exporters write them.
#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/infer.h"
#include "passes/pipelines.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

bool canonicalize_all(ir::Graph& graph, passes::PassContext& context) {
  const size_t before = graph.total_node_count();
  passes::canonicalize(graph, context);
  return graph.total_node_count() != before;
}

TEST(Pipeline, ConvolutionWithBatchNormAndHardSwish) {
  check_pass(canonicalize_all, {{"block", R"(graph { input %x : float32[n, 2, h, w]
    const %k = float32[2, 2, 1, 1] {1.0, 2.0, 3.0, 4.0} const %s = float32[2] {1.0, 2.0} const %b = float32[2] {0.5, 0.5}
    const %v = float32[2] {1.0, 4.0} const %three = float32[] {3.0} const %zero = float32[] {0.0}
    const %six = float32[] {6.0}
    %c = Conv(%x, %k) %n = BatchNormalization(%c, %s, %b, %b, %v) {epsilon=0.0} %a = Add(%n, %three) %r = Clip(%a, %zero, %six)
    %m = Mul(%n, %r) %h = Div(%m, %six) %p = GlobalAveragePool(%h) %f = Flatten(%p) %y = Identity(%f)
    output %y as "y" })",
                                 R"(graph { input %x : float32[n, 2, h, w]
    const %k = float32[2, 2, 1, 1] {1.0, 2.0, 3.0, 4.0}
    const %a = int64[2] {2, 3} const %flat = int64[2] {0, 2}
    %c = Conv(%x, %k) %h = HardSwish(%c) %p = ReduceMean(%h, %a) %y = Reshape(%p, %flat) output %y as "y" })"}});
}

// One encoder layer's attention as torch exports it, sizes read from Shape.
TEST(Pipeline, AttentionWithComputedShapes) {
  const std::string before =
      R"(graph { input %x : float32[b, l, 8] input %mask : float32[b, 1, 1, l]
    const %wq = float32[8, 8] splat 0.1 const %wk = float32[8, 8] splat 0.2 const %wv = float32[8, 8] splat 0.3
    const %bq = float32[8] splat 0.1 const %i0 = int64[] {0} const %i1 = int64[] {1} const %ax = int64[1] {0}
    const %two = int64[1] {2} const %four = int64[1] {4} const %eight = int64[1] {8} const %root = float32[] {2.0}
    %q0 = MatMul(%x, %wq) %q1 = Add(%bq, %q0) %k1 = MatMul(%x, %wk) %v1 = MatMul(%x, %wv)
    %sq = Shape(%q1) %dq0 = Gather(%sq, %i0) %dq1 = Gather(%sq, %i1) %uq0 = Unsqueeze(%dq0, %ax)
    %uq1 = Unsqueeze(%dq1, %ax) %rq = Concat(%uq0, %uq1, %two, %four) {axis=0}
    %q2 = Reshape(%q1, %rq) %k2 = Reshape(%k1, %rq) %v2 = Reshape(%v1, %rq)
    %q = Transpose(%q2) {perm=[0, 2, 1, 3]} %k = Transpose(%k2) {perm=[0, 2, 3, 1]} %v = Transpose(%v2) {perm=[0, 2, 1, 3]}
    %s = MatMul(%q, %k) %d = Div(%s, %root) %a = Add(%d, %mask) %p = Softmax(%a) {axis=-1} %o = MatMul(%p, %v)
    %t = Transpose(%o) {perm=[0, 2, 1, 3]} %ro = Concat(%uq0, %uq1, %eight) {axis=0} %y = Reshape(%t, %ro)
    output %y as "y" })";
  check_pass(
      canonicalize_all,
      {{"torch", before, R"(graph { input %x : float32[b, l, 8] input %mask : float32[b, 1, 1, l]
    const %wq = float32[8, 8] splat 0.1 const %wk = float32[8, 8] splat 0.2 const %wv = float32[8, 8] splat 0.3
    const %bq = float32[8] splat 0.1 const %split = int64[4] {0, 0, 2, 4} const %join = int64[3] {0, 0, 8}
    %q0 = MatMul(%x, %wq) %q1 = Add(%q0, %bq) %q2 = Reshape(%q1, %split) %q = Transpose(%q2) {perm=[0, 2, 1, 3]}
    %k1 = MatMul(%x, %wk) %k2 = Reshape(%k1, %split) %k = Transpose(%k2) {perm=[0, 2, 1, 3]}
    %v1 = MatMul(%x, %wv) %v2 = Reshape(%v1, %split) %v = Transpose(%v2) {perm=[0, 2, 1, 3]}
    %o = Attention(%q, %k, %v, %mask) {scale=0.5} %t = Transpose(%o) {perm=[0, 2, 1, 3]} %y = Reshape(%t, %join)
    output %y as "y" })"}});
}

TEST(Pipeline, KeepsWhatHasNoBetterForm) {
  const auto graph = ir::parse(
      "graph { input %x : float32[n, 4] input %w : float32[4, 4] %m = MatMul(%x, %w) "
      "%y = Relu(%m) output %y as \"probabilities\" }");
  passes::PassContext context;
  passes::canonicalize(*graph, context);
  EXPECT_EQ(graph->node_count(), 2U);
  EXPECT_EQ(graph->output_name(0), "probabilities");
  EXPECT_TRUE(context.fired.empty());
}

TEST(Pipeline, PassesCanBeSwitchedOff) {
  const std::string text =
      "graph { input %x : float32[n] const %two = float32[] {2.0} %y = Pow(%x, %two) output %y as "
      "\"y\" }";
  const auto graph = ir::parse(text);
  passes::PassContext context;
  passes::canonicalize(*graph, context, {.disabled = {"reduce-strength"}});
  EXPECT_EQ(graph->nodes().front()->op(), "Pow");
  const auto names = passes::pass_names();
  EXPECT_NE(std::find(names.begin(), names.end(), "reduce-strength"), names.end());
}

// New nodes keep the name of what they stand for, and know all the model's nodes that went into
// them.
TEST(Pipeline, NamesAndOriginsStay) {
  const auto graph = ir::parse(R"(graph { input %x : float32[n, 2]
    %s = Sigmoid(%x) "gate" %y = Mul(%x, %s) "gated" output %y as "y" })");
  passes::PassContext context;
  passes::canonicalize(*graph, context);
  const ir::Node& node = *graph->nodes().front();
  EXPECT_EQ(node.op(), "Swish");
  EXPECT_EQ(node.name(), "gated");
  EXPECT_EQ(node.output()->name(), "y");
  EXPECT_EQ(node.origins().size(), 2U);
}

}  // namespace
}  // namespace planish::test
