// SPDX-License-Identifier: Apache-2.0
// Old opsets read as the newest: one table of nodes.
#include <gmock/gmock.h>

#include "support/onnx_builder.h"

namespace planish::testing {
namespace {

using ::testing::HasSubstr;

struct Row {
  int64_t opset;
  std::string op;
  std::vector<std::string> inputs;
  std::vector<pb::AttributeProto> attributes;
  std::string expected;
  std::vector<std::string> outputs = {"y"};
};

ModelBuilder model_of(const Row& row) {
  ModelBuilder m(row.opset, 8);
  m.opset("ai.onnx.ml", row.opset);
  m.input("x", DType::kF32, {2, 3, 4, 5})
      .input("c", DType::kF32, {3})
      .input("m", DType::kF32, {2, 3, 4, 5});
  m.input("s", DType::kString, {2}).input("k", DType::kI64, {1}).input("free", DType::kF32, {});
  m.graph().mutable_input(5)->mutable_type()->mutable_tensor_type()->clear_shape();
  m.constant(int64_tensor("two", {}, {2})).constant(int64_tensor("one", {}, {1}));
  m.constant(float_tensor("scales", {4}, {1, 1, 2, 2})).constant(float_tensor("none", {0}, {}));
  m.constant(raw_tensor("train", DType::kBool, {}, "\x01"));
  m.node(row.op, row.inputs, row.outputs, row.attributes);
  for (const std::string& output : row.outputs)
    if (!output.empty()) m.output(output);
  m.last().set_name("n");
  return m;
}

// Whether every op of a summary exists.
bool all_registered(const std::string& summary) {
  for (size_t at = 0; (at = summary.find("= ", at)) != std::string::npos;) {
    at += 2;
    if (find_op(summary.substr(at, summary.find('(', at) - at)) == nullptr) return false;
  }
  return true;
}

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (!all_registered(row.expected)) continue;
    try {
      EXPECT_EQ(model_of(row).text(), row.expected) << row.op << " in opset " << row.opset;
    } catch (const Error& e) {
      ADD_FAILURE() << row.op << " in opset " << row.opset << ": " << e.what();
    }
  }
}

TEST(OnnxOpsets, AxesBecameInputs) {
  check({
      {11, "Squeeze", {"x"}, {attr("axes", ints({0, 2}))}, "y = Squeeze(x, [0 2])\n"},
      {11, "Squeeze", {"x"}, {}, "y = Squeeze(x)\n"},
      {13, "Squeeze", {"x", "k"}, {}, "y = Squeeze(x, k)\n"},
      {1, "Unsqueeze", {"x"}, {attr("axes", ints({-1}))}, "y = Unsqueeze(x, [-1])\n"},
      {13,
       "ReduceMean",
       {"x"},
       {attr("axes", ints({1})), attr("keepdims", 0)},
       "y = ReduceMean(x, [1]) keepdims=0\n"},
      {17, "ReduceMax", {"x"}, {}, "y = ReduceMax(x)\n"},
      {18, "ReduceMax", {"x", "k"}, {}, "y = ReduceMax(x, k)\n"},
      {11, "ReduceSum", {"x"}, {attr("axes", ints({1}))}, "y = ReduceSum(x, [1])\n"},
      {13, "ReduceSum", {"x", "k"}, {}, "y = ReduceSum(x, k)\n"},
  });
}

TEST(OnnxOpsets, OtherAttributesBecameInputs) {
  check({
      {9,
       "Slice",
       {"x"},
       {attr("starts", ints({1})), attr("ends", ints({9}))},
       "y = Slice(x, [1], [9])\n"},
      {9,
       "Slice",
       {"x"},
       {attr("starts", ints({1})), attr("ends", ints({9})), attr("axes", ints({2}))},
       "y = Slice(x, [1], [9], [2])\n"},
      {10,
       "Pad",
       {"x"},
       {attr("pads", ints({0, 0, 1, 1, 0, 0, 1, 1})), attr("mode", "edge")},
       "y = Pad(x, [0 0 1 1 0 0 1 1]) mode=edge\n"},
      {2,
       "Pad",
       {"x"},
       {attr("pads", ints({0, 0, 1, 1, 0, 0, 1, 1})), attr("value", 2.f)},
       "y = Pad(x, [0 0 1 1 0 0 1 1], 2) mode=constant\n"},
      {1,
       "Pad",
       {"x"},
       {attr("paddings", ints({0, 0, 1, 1, 0, 0, 1, 1}))},
       "y = Pad(x, [0 0 1 1 0 0 1 1]) mode=constant\n"},
      {6, "Clip", {"x"}, {attr("min", 0.f), attr("max", 6.f)}, "y = Clip(x, 0, 6)\n"},
      {6, "Clip", {"x"}, {attr("max", 6.f)}, "y = Clip(x, _, 6)\n"},
      {6, "Clip", {"x"}, {}, "y = Clip(x)\n"},
      {9,
       "TopK",
       {"x"},
       {attr("k", 3), attr("axis", 1)},
       "y, z = TopK(x, [3]) axis=1\n",
       {"y", "z"}},
      {1, "Reshape", {"x"}, {attr("shape", ints({0, -1}))}, "y = Reshape(x, [0 -1])\n"},
      {2,
       "Split",
       {"x"},
       {attr("axis", 1), attr("split", ints({1, 2}))},
       "y, z = Split(x, [1 2]) axis=1\n",
       {"y", "z"}},
      {13, "Split", {"x"}, {}, "y, z = Split(x) num_outputs=2\n", {"y", "z"}},
      {18, "Split", {"x"}, {attr("num_outputs", 2)}, "y, z = Split(x) num_outputs=2\n", {"y", "z"}},
      {17, "DFT", {"x"}, {attr("inverse", 1)}, "y = DFT(x, _, 1) inverse=1\n"},
      {1, "Tile", {"x", "two", "one"}, {}, "y = Tile(x, [1 2 1 1])\n"},
  });
}

TEST(OnnxOpsets, DefaultsAndNamesChanged) {
  check({
      {1, "Cast", {"x"}, {attr("to", "INT64")}, "y = Cast(x) to=7\n"},
      {6, "Cast", {"x"}, {attr("to", 1)}, "y = Cast(x) to=1\n"},
      {1, "Concat", {"x", "x"}, {}, "y = Concat(x, x) axis=1\n"},
      {5, "Relu", {"x"}, {attr("consumed_inputs", ints({0}))}, "y = Relu(x)\n"},
      {1,
       "LpPool",
       {"x"},
       {attr("p", 2.f), attr("kernel_shape", ints({2, 2}))},
       "y = LpPool(x) kernel_shape=[2 2] p=2\n"},
      {10, "Scatter", {"x", "k", "x"}, {attr("axis", 1)}, "y = ScatterElements(x, k, x) axis=1\n"},
      {10,
       "RoiAlign",
       {"x", "m", "k"},
       {},
       "y = RoiAlign(x, m, k) coordinate_transformation_mode=output_half_pixel\n"},
      {16,
       "GridSample",
       {"x", "m"},
       {attr("mode", "bicubic")},
       "y = GridSample(x, m) mode=cubic\n"},
      {6,
       "Gemm",
       {"x", "m", "c"},
       {attr("broadcast", 1), attr("transB", 1)},
       "y = Gemm(x, m, c) transB=1\n"},
      {9,
       "Upsample",
       {"x", "scales"},
       {attr("mode", "linear")},
       "y = Resize(x, _, [1 1 2 2]) coordinate_transformation_mode=asymmetric mode=linear "
       "nearest_mode=floor\n"},
      {7,
       "Upsample",
       {"x"},
       {attr("scales", floats({1, 1, 3, 3}))},
       "y = Resize(x, _, [1 1 3 3]) coordinate_transformation_mode=asymmetric mode=nearest "
       "nearest_mode=floor\n"},
      {1,
       "Upsample",
       {"x"},
       {attr("height_scale", 2.f), attr("width_scale", 3.f), attr("mode", "bilinear")},
       "y = Resize(x, _, [1 1 2 3]) coordinate_transformation_mode=asymmetric mode=linear "
       "nearest_mode=floor\n"},
      {10,
       "Resize",
       {"x", "scales"},
       {},
       "y = Resize(x, _, [1 1 2 2]) coordinate_transformation_mode=asymmetric mode=nearest "
       "nearest_mode=floor\n"},
      {11,
       "Resize",
       {"x", "none", "scales"},
       {attr("mode", "cubic")},
       "y = Resize(x, _, [1 1 2 2]) mode=cubic\n"},
  });
}

TEST(OnnxOpsets, Broadcasting) {
  check({
      {6,
       "Add",
       {"x", "c"},
       {attr("broadcast", 1), attr("axis", 1)},
       "n/Unsqueeze = Unsqueeze(c, [1 2])\ny = Add(x, n/Unsqueeze)\n"},
      {6, "Mul", {"x", "m"}, {}, "y = Mul(x, m)\n"},
      {7, "Add", {"x", "m"}, {}, "y = Add(x, m)\n"},
      {6,
       "PRelu",
       {"x", "c"},
       {},
       "n/Unsqueeze = Unsqueeze(c, [1 2])\ny = PRelu(x, n/Unsqueeze)\n"},
      {7, "PRelu", {"x", "c"}, {}, "y = PRelu(x, c)\n"},
  });
  Row unknown{6, "Add", {"free", "c"}, {attr("broadcast", 1), attr("axis", 1)}, ""};
  EXPECT_THAT(model_of(unknown).error().what(), HasSubstr("needs known ranks"));
}

TEST(OnnxOpsets, SoftmaxFlattenedItsAxes) {
  check({
      {11, "Softmax", {"x"}, {attr("axis", 3)}, "y = Softmax(x) axis=-1\n"},
      {11, "LogSoftmax", {"x"}, {attr("axis", -1)}, "y = LogSoftmax(x) axis=-1\n"},
      {13, "Softmax", {"x"}, {attr("axis", 1)}, "y = Softmax(x) axis=1\n"},
      {11, "Softmax", {"c"}, {attr("axis", 0)}, "y = Softmax(c) axis=-1\n"},
      {11,
       "Softmax",
       {"x"},
       {},
       "n/Flatten = Flatten(x) axis=1\n"
       "n/Softmax = Softmax(n/Flatten) axis=-1\n"
       "n/Shape = Shape(x)\n"
       "y = Reshape(n/Softmax, n/Shape)\n"},
      {11,
       "Hardmax",
       {"free"},
       {attr("axis", 2)},
       "n/Flatten = Flatten(free) axis=2\n"
       "n/Hardmax = Hardmax(n/Flatten) axis=-1\n"
       "n/Shape = Shape(free)\n"
       "y = Reshape(n/Hardmax, n/Shape)\n"},
  });
}

TEST(OnnxOpsets, Normalisation) {
  const std::vector<std::string> in = {"x", "c", "c", "c", "c"};
  check({
      {9,
       "BatchNormalization",
       in,
       {attr("epsilon", 0.5f)},
       "y = BatchNormalization(x, c, c, c, c) epsilon=0.5\n"},
      {6,
       "BatchNormalization",
       in,
       {attr("is_test", 1), attr("spatial", 1)},
       "y = BatchNormalization(x, c, c, c, c)\n"},
      {15, "BatchNormalization", in, {}, "y = BatchNormalization(x, c, c, c, c)\n"},
      {7,
       "BatchNormalization",
       {"x", "m", "m", "m", "m"},
       {attr("spatial", 0), attr("epsilon", 0.5f)},
       "n/Add = Add(m, 0.5)\n"
       "n/Sqrt = Sqrt(n/Add)\n"
       "n/Sub = Sub(x, m)\n"
       "n/Div = Div(n/Sub, n/Sqrt)\n"
       "n/Mul = Mul(n/Div, m)\n"
       "y = Add(n/Mul, m)\n"},
      {21,
       "GroupNormalization",
       {"x", "c", "c"},
       {attr("num_groups", 3)},
       "y = GroupNormalization(x, c, c) num_groups=3\n"},
  });
  if (find_op("GroupNormalization") != nullptr) {
    const Row old{18, "GroupNormalization", {"x", "c", "c"}, {attr("num_groups", 3)}, ""};
    EXPECT_THAT(model_of(old).text(), HasSubstr("y = GroupNormalization(x, n/Reshape, n/Reshape_"));
  }
}

TEST(OnnxOpsets, StatisticsOfTrainingAreRefusedOnlyWhereTheyAreUsed) {
  if (find_op("BatchNormalization") == nullptr) GTEST_SKIP();
  ModelBuilder m(9, 4);
  m.input("x", DType::kF32, {2, 3}).input("c", DType::kF32, {3});
  m.node("BatchNormalization", {"x", "c", "c", "c", "c"}, {"y", "mean", "var"}).output("y");
  EXPECT_EQ(m.text(), "y = BatchNormalization(x, c, c, c, c)\n");
  m.node("Relu", {"mean"}, {"r"}).output("r");
  EXPECT_EQ(m.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(m.error().what(), HasSubstr("made in training only"));
}

TEST(OnnxOpsets, DropoutIsNothingUnlessItMayTrain) {
  check({
      {6, "Dropout", {"x"}, {attr("ratio", 0.5f), attr("is_test", 1)}, ""},
      {12, "Dropout", {"x", "scales"}, {}, ""},
      {13, "Dropout", {"x", "", "train"}, {}, "y = Dropout(x, _, 1)\n"},
      {10, "Dropout", {"x"}, {}, "y, z = Dropout(x)\n", {"y", "z"}},
  });
}

TEST(OnnxOpsets, LabelEncoder) {
  check({
      {1,
       "ai.onnx.ml::LabelEncoder",
       {"s"},
       {attr("classes_strings", std::vector<std::string>{"a", "b"})},
       "y = ai.onnx.ml.LabelEncoder(s) keys_strings=strings values_int64s=[0 1]\n"},
      {1,
       "ai.onnx.ml::LabelEncoder",
       {"k"},
       {attr("classes_strings", std::vector<std::string>{"a", "b"})},
       "y = ai.onnx.ml.LabelEncoder(k) keys_int64s=[0 1] values_strings=strings\n"},
  });
}

TEST(OnnxOpsets, RowsOfSimpleDefStartAtAnOpset) {
  const Row early{7, "Where", {"x", "x", "x"}, {}, ""};
  EXPECT_THAT(model_of(early).error().what(), HasSubstr("read from opset 9 on"));
}

}  // namespace
}  // namespace planish::testing
