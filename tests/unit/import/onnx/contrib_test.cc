// SPDX-License-Identifier: Apache-2.0
// Ops of com.microsoft become ops of ONNX; what they compute is checked against ONNX Runtime in
// tests/python/contrib_ops_test.py.
#include <gmock/gmock.h>

#include "support/onnx_builder.h"

namespace planish::testing {
namespace {

using ::testing::HasSubstr;

ModelBuilder model_of(const std::string& op, const std::vector<std::string>& inputs,
                      const std::vector<pb::AttributeProto>& attributes = {},
                      const std::vector<std::string>& outputs = {"y"}) {
  ModelBuilder m(17, 8);
  m.opset("com.microsoft", 1);
  m.input("x", DType::kF32, {"b", "s", 8})
      .input("r", DType::kF32, {"b", "s", 8})
      .input("g", DType::kF32, {8});
  m.input("image", DType::kF32, {1, 3, 8, 8}).input("w", DType::kF32, {4, 3, 3, 3});
  m.input("q", DType::kU8, {2, 3}).input("z", DType::kU8, {}).input("scale", DType::kF32, {});
  m.input("packed", DType::kU8, {5, 2, 8}).input("scales", DType::kF32, {10});
  m.constant(raw_tensor("nibbles", DType::kU8, {5, 2, 8}, std::string(80, '\x21')));
  m.node("com.microsoft::" + op, inputs, outputs, attributes);
  m.last().set_name("n");
  for (const std::string& output : outputs)
    if (!output.empty()) m.output(output);
  return m;
}

TEST(OnnxContrib, PointwiseAndNormalisations) {
  EXPECT_EQ(model_of("BiasGelu", {"x", "g"}).text(),
            "n/Add = Add(x, g)\ny = Gelu(n/Add) approximate=none\n");
  EXPECT_EQ(model_of("FastGelu", {"x"}).text(), "y = Gelu(x) approximate=tanh\n");
  EXPECT_EQ(model_of("QuickGelu", {"x"}, {attr("alpha", 2.f)}).text(), "y = Swish(x) alpha=2\n");
  EXPECT_EQ(model_of("SkipLayerNormalization", {"x", "r", "g"}, {attr("epsilon", 0.5f)},
                     {"y", "", "", "sum"})
                .text(),
            "sum = Add(x, r)\ny = LayerNormalization(sum, g) axis=-1 epsilon=0.5\n");
  EXPECT_EQ(model_of("SimplifiedLayerNormalization", {"x", "g"}, {attr("epsilon", 0.5f)}).text(),
            "y = RMSNormalization(x, g) axis=-1 epsilon=0.5\n");
}

TEST(OnnxContrib, FusedConv) {
  EXPECT_EQ(model_of("FusedConv", {"image", "w"}, {attr("activation", "Relu")}).text(),
            "n/Conv = Conv(image, w)\ny = Relu(n/Conv)\n");
  EXPECT_THAT(
      model_of("FusedConv", {"image", "w"}, {attr("activation", "Softsign")}).error().what(),
      HasSubstr("the activation Softsign is not known"));
}

TEST(OnnxContrib, QuantisedOps) {
  EXPECT_EQ(model_of("QLinearAdd", {"q", "scale", "z", "q", "scale", "z", "scale", "z"}).text(),
            "n/DequantizeLinear = DequantizeLinear(q, scale, z)\n"
            "n/DequantizeLinear_1 = DequantizeLinear(q, scale, z)\n"
            "n/Add = Add(n/DequantizeLinear, n/DequantizeLinear_1)\n"
            "y = QuantizeLinear(n/Add, scale, z)\n");
}

TEST(OnnxContrib, PackedWeightsAreNotCopied) {
  const std::vector<pb::AttributeProto> sizes = {attr("K", 32), attr("N", 5), attr("bits", 4),
                                                 attr("block_size", 16)};
  const auto g = model_of("MatMulNBits", {"x", "nibbles", "scales"}, sizes).import();
  const ir::Value* weights = nullptr;
  for (const ir::Value* c : g->constants())
    if (c->name() == "n/weights") weights = c;
  ASSERT_NE(weights, nullptr);
  EXPECT_EQ(weights->type().to_string(), "uint4[5, 32]");
  EXPECT_THAT(model_of("MatMulNBits", {"x", "packed", "scales"}, sizes).error().what(),
              HasSubstr("must be constant"));
  EXPECT_THAT(model_of("MatMulNBits", {"x", "nibbles", "scales"},
                       {attr("K", 64), attr("N", 5), attr("block_size", 16)})
                  .error()
                  .what(),
              HasSubstr("expected 160 bytes of uint8"));
}

TEST(OnnxContrib, WhatIsNotPlainIsRefusedInASentence) {
  EXPECT_THAT(model_of("Attention", {"x", "w"}, {attr("num_heads", 2), attr("do_rotary", 1)})
                  .error()
                  .what(),
              HasSubstr("attribute do_rotary = 1"));
  EXPECT_THAT(model_of("RotaryEmbedding", {"g", "q", "x", "x"}).error().what(),
              HasSubstr("rank 3 or 4"));
  EXPECT_THAT(model_of("SkipLayerNormalization", {"x", "r", "g"}, {}, {"y", "mean"}).error().what(),
              HasSubstr("the statistics of training"));
  EXPECT_EQ(model_of("NoSuchOp", {"x"}).error().code(), ErrorCode::kUnsupported);
}

TEST(OnnxContrib, ScanOfOpset8) {
  ModelBuilder m(8, 3);
  m.input("init", DType::kF32, {2, 3}).input("x", DType::kF32, {2, 5, 3});
  SubgraphBuilder body;
  body.input("s", DType::kF32, {3}).input("e", DType::kF32, {3});
  body.node("Add", {"s", "e"}, {"t"}).node("Neg", {"t"}, {"o"}).output("t").output("o");
  m.node("Scan", {"", "init", "x"}, {"y", "z"},
         {attr("num_scan_inputs", 1), attr("body", body.graph())});
  m.output("y").output("z");
  if (find_op("Scan") == nullptr) GTEST_SKIP();
  EXPECT_EQ(m.text(),
            "y, z = Scan(init, x) num_scan_inputs=2\n"
            "  body:\n"
            "    y/sequence:0, y/sequence:1 = Scan(y/sample0, y/sample1) num_scan_inputs=1\n"
            "      body:\n"
            "        t = Add(s, e)\n"
            "        o = Neg(t)\n");
}

}  // namespace
}  // namespace planish::testing
