// SPDX-License-Identifier: Apache-2.0
// Damaged and hostile models: a typed error, soon.
#include <gmock/gmock.h>

#include "import/onnx/datum.h"
#include "support/onnx_builder.h"
#include "tensor/elements.h"

namespace planish::testing {
namespace {

using ::testing::HasSubstr;

Error error_of_bytes(const std::string& bytes, const onnx::ImportOptions& options = {}) {
  return error_of([&] { import_text(bytes, options); });
}

ModelBuilder small_model() {
  ModelBuilder m(11, 8);
  m.input("x", DType::kF32, {"n", 2}).constant(float_tensor("w", {2}, {1, 2}));
  m.node("Add", {"x", "w"}, {"h"}).node("Clip", {"h"}, {"y"}).output("y");
  return m;
}

TEST(OnnxHostile, NotAModel) {
  EXPECT_EQ(error_of_bytes("").code(), ErrorCode::kInvalidModel);
  EXPECT_THAT(error_of_bytes("").what(), HasSubstr("got no bytes"));
  EXPECT_THAT(error_of_bytes("this is no protobuf").what(), HasSubstr("damaged or something else"));
  EXPECT_EQ(error_of_bytes(std::string("\x08\x07", 2)).code(), ErrorCode::kInvalidModel);
}

TEST(OnnxHostile, EveryTruncationIsAnErrorOrAModel) {
  const std::string bytes = small_model().bytes();
  for (size_t n = 0; n < bytes.size(); ++n) {
    try {
      import_text(bytes.substr(0, n));
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::kInternal) << n << ": " << e.what();
    }
  }
}

TEST(OnnxHostile, EverySingleByteEditIsAnErrorOrAModel) {
  const std::string bytes = small_model().bytes();
  for (size_t i = 0; i < bytes.size(); ++i)
    for (const int flip : {0x01, 0x08, 0x40, 0x80, 0xff}) {
      std::string edited = bytes;
      edited[i] = static_cast<char>(edited[i] ^ flip);
      try {
        import_text(edited);
      } catch (const Error& e) {
        EXPECT_NE(e.code(), ErrorCode::kInternal) << i << ": " << e.what();
      }
    }
}

std::string length_delimited(int field, const std::string& content) {
  std::string out(1, static_cast<char>(field << 3 | 2));
  for (size_t n = content.size();;) {
    const bool more = n >= 0x80;
    out += static_cast<char>((n & 0x7f) | (more ? 0x80 : 0));
    n >>= 7;
    if (!more) break;
  }
  return out + content;
}

TEST(OnnxHostile, DeepNestingOfGraphs) {
  // graph(7) { node(1) { attribute(5) { g(6) { node(1) { ... } } } } }
  std::string inner;
  for (int i = 0; i < 2000; ++i)
    inner = length_delimited(1, length_delimited(5, length_delimited(6, inner)));
  const Error e = error_of_bytes(length_delimited(7, inner));
  EXPECT_EQ(e.code(), ErrorCode::kBudgetExceeded);
  EXPECT_THAT(e.what(), HasSubstr("messages nest 6002 deep, over the limit of 208"));
}

TEST(OnnxHostile, DeepNestingOfTypes) {
  std::string type;
  for (int i = 0; i < 100000; ++i) {
    type = length_delimited(4, length_delimited(1, type));
    if (type.size() > 60000) break;
  }
  const std::string input = length_delimited(11, length_delimited(2, type));
  EXPECT_EQ(error_of_bytes(length_delimited(7, input)).code(), ErrorCode::kBudgetExceeded);
}

TEST(OnnxHostile, SizesOverTheLimits) {
  const Error size = small_model().error({.limits = {.model_bytes = 10}});
  EXPECT_EQ(size.code(), ErrorCode::kBudgetExceeded);
  EXPECT_EQ(size.hint(), "save the weights as external data");
  const Error nodes = small_model().error({.limits = {.nodes = 1}});
  EXPECT_EQ(nodes.code(), ErrorCode::kBudgetExceeded);
  EXPECT_EQ(nodes.node(), "y");
}

TEST(OnnxHostile, WideCyclesAndLongChainsAreFast) {
  ModelBuilder m;
  m.input("x0", DType::kF32, {1});
  for (int i = 0; i < 20000; ++i)
    m.node("Relu", {"x" + std::to_string(i)}, {"x" + std::to_string(i + 1)});
  m.output("x20000");
  EXPECT_EQ(m.import()->node_count(), 20000u);
  std::reverse(m.graph().mutable_node()->pointer_begin(), m.graph().mutable_node()->pointer_end());
  EXPECT_EQ(m.import()->node_count(), 20000u);
}

// A rank is asked for at the end of a long chain: no recursion.
TEST(OnnxHostile, LongChainsBeforeOldSoftmax) {
  ModelBuilder m(11, 8);
  m.input("x0", DType::kF32, {2, 2});
  for (int i = 0; i < 20000; ++i)
    m.node("Relu", {"x" + std::to_string(i)}, {"x" + std::to_string(i + 1)});
  m.node("Softmax", {"x20000"}, {"y"}).output("y");
  if (find_op("Softmax") == nullptr) GTEST_SKIP();
  EXPECT_THAT(m.text(), HasSubstr("y = Softmax(x20000) axis=-1"));
}

std::span<const std::byte> as_span(const std::string& bytes) {
  return std::as_bytes(std::span(bytes));
}

TEST(OnnxDatum, SequencesOptionalsAndMaps) {
  const std::string tensor = float_tensor("", {1}, {4}).SerializeAsString();
  const Type any = Type::tensor(DType::kF32);
  const auto sequence = onnx::parse_datum(
      as_span(length_delimited(3, tensor) + length_delimited(3, tensor)), Type::sequence(any), "s");
  ASSERT_EQ(sequence.items().size(), 2u);
  EXPECT_EQ(element<double>(sequence.items()[1].tensor(), 0), 4);
  EXPECT_TRUE(onnx::parse_datum(as_span(""), Type::optional(any), "o").empty());
  EXPECT_TRUE(onnx::parse_datum(as_span(length_delimited(3, tensor)), Type::optional(any), "o")
                  .is_tensor());
  const std::string map =
      length_delimited(4, "key") + length_delimited(5, length_delimited(3, tensor));
  const auto datum = onnx::parse_datum(as_span(map), Type::map(DType::kString, DType::kF32), "m");
  const auto& held = *std::get<std::shared_ptr<const MapDatum>>(datum.held);
  EXPECT_EQ(held.keys.string_values()[0], "key");
  EXPECT_EQ(element<double>(held.values, 0), 4);
}

TEST(OnnxDatum, DamageIsAnError) {
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested = length_delimited(5, nested);
  EXPECT_EQ(error_of([&] { onnx::parse_datum(as_span(nested), Type::sequence({}), "s"); }).code(),
            ErrorCode::kBudgetExceeded);
  EXPECT_EQ(
      error_of([&] { onnx::parse_datum(as_span("\x1a\x7f"), Type::sequence({}), "s"); }).code(),
      ErrorCode::kInvalidModel);
  EXPECT_EQ(error_of([&] { onnx::parse_datum(as_span("\xff\xff"), {}, "t"); }).code(),
            ErrorCode::kInvalidModel);
}

}  // namespace
}  // namespace planish::testing
