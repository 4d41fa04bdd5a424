// SPDX-License-Identifier: Apache-2.0
#include "ir/text.h"

#include <gtest/gtest.h>

#include "ir/verify.h"
#include "planish/error.h"

namespace planish::ir {
namespace {

constexpr const char* kNet = R"(graph "net" {
  meta "producer" = "a \"test\""
  input %x : float32[batch, 3, "h w", 8]
  input %"odd name" : bool[]
  const %w = float32[4, 3, 1, 1] splat 0.5
  const %big = uint64[2] {18446744073709551615, 0}
  const %t = string[2] {"a", "b\x0a"}
  const %n = float32[1] hex "0000c07f"
  const %c = complex64[1] hex "0000803f00000040"
  %y = Conv(%x, %w, _) {alpha=1.0, empty=ints[], strides=[2, 2], text="q", ty=type float32[n+1, 2*m], v=[1.5, nan]} : float32[batch, 4, ..., 4] "conv1"
  %a, _ = TopK(%y, %big) : sequence(int64[...]), _ "k"
  %z = If(%"odd name") then_branch=graph "t" {
    const %one = int2[1] {1}
    %q = Use(%x, %one) : ? "inner"
    output %q as "q"
  } else_branch=graph "e" {
    output %x as "x"
  } : optional(map(int64, float32)) "if"
  output %z as "probabilities"
}
)";

std::string net() {
  std::string text = kNet;
  const size_t at = text.find("batch, 4, ..., 4");
  return text.replace(at, 16, "batch, 4, floor_div(h,2), 4");
}

TEST(Text, PrintsWhatItParsed) {
  const auto g = parse(net());
  verify(*g);
  EXPECT_EQ(print(*g), net());
}

TEST(Text, ErrorsSayWhere) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"graph {\n  %y = Relu(%x)\n}", "line 2"},
           {"graph { input %x : float33[1] }", "no data type float33"},
           {"graph { const %x = float32[2] {1.0} }", "expected ,"},
           {"graph { const %x = float32[n] {1.0} }", "constant dimensions"},
           {"graph { input %x : float32[1] input %x : float32[1] }", "defined twice"},
           {"graph { input %c : bool[] %y = If(%c) then_branch=graph { output %c } "
            "then_branch=graph { output %c } output %y }",
            "subgraph then_branch is there twice"},
           {"graph {", "expected"},
           {"graph { const %x = uint8[2] hex \"0\" }", "hexadecimal"}}) {
    try {
      parse(text);
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
      EXPECT_EQ(e.code(), ErrorCode::kInvalidModel);
    }
  }
  std::string deep = "graph { input %c : bool[] ";
  for (int i = 0; i < 1000; ++i) deep += "%y = If(%c) then_branch=graph { ";
  EXPECT_THROW(parse(deep), Error);
}

TEST(Graph, CopyInlineAndReplaceKeepItWellFormed) {
  const auto g = parse(net());
  Graph copy;
  copy.copy_from(*g);
  verify(copy);
  EXPECT_EQ(print(copy), print(*g));
  const auto body = parse("graph { input %p : float32[...] %q = Neg(%p) output %q }");
  Node* conv = g->nodes().front().get();
  const auto out = g->inline_graph(*body, {g->inputs()[0]}, conv);
  g->replace_uses(conv->output(), out[0]);
  g->erase(conv);
  verify(*g);
  EXPECT_EQ(g->nodes().front()->op(), "Neg");
}

TEST(Graph, SortsAndRefusesCycles) {
  const auto g = parse(R"(graph { input %x : float32[1]
    %a = Neg(%x) %b = Abs(%a) %c = Exp(%b) output %c })");
  g->move_before(g->nodes().back().get(), g->nodes().front().get());
  EXPECT_THROW(verify(*g), Error);
  g->sort_nodes();
  verify(*g);
  Node* first = g->nodes().front().get();
  first->set_input(0, g->nodes().back()->output());
  EXPECT_THROW(g->sort_nodes(), Error);
}

// A pass may give a value of a body the name of one outside.
TEST(Text, NamesOfABodyDoNotHideWhatItUses) {
  const auto graph = ir::parse(R"(graph { input %x : float32[2] input %c : bool[] %a = Neg(%x)
    %y = If(%c) then_branch=graph { %b = Abs(%x) %d = Add(%b, %a) output %d as "r" }
      else_branch=graph { output %x as "r" } output %y as "y" })");
  ir::Graph& body = *graph->nodes().back()->subgraph("then_branch");
  body.rename(body.nodes().front()->output(), "a");
  const auto again = ir::parse(ir::print(*graph));
  const ir::Node& sum = *again->nodes().back()->subgraph("then_branch")->nodes().back();
  EXPECT_EQ(sum.input(0)->producer()->op(), "Abs");
  EXPECT_EQ(sum.input(1)->producer()->op(), "Neg");
  EXPECT_EQ(ir::print(*again), ir::print(*ir::parse(ir::print(*again))));
}

}  // namespace
}  // namespace planish::ir
