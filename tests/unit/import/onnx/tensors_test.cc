// SPDX-License-Identifier: Apache-2.0
// Payloads: typed, raw, packed, sparse; constants in every form.
#include <gmock/gmock.h>

#include "support/onnx_builder.h"
#include "tensor/elements.h"

namespace planish::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The tensor of a model whose only output is the constant "t".
Tensor import_tensor(const ModelBuilder& m) {
  const auto g = m.import();
  return g->outputs()[0]->constant();
}
Tensor import_initialiser(const pb::TensorProto& t) {
  ModelBuilder m;
  m.constant(t).output("t");
  return import_tensor(m);
}
std::string refused(const pb::TensorProto& t) {
  ModelBuilder m;
  m.constant(t).output("t");
  const Error e = m.error();
  EXPECT_EQ(e.code(), ErrorCode::kInvalidModel);
  EXPECT_THAT(e.what(), HasSubstr("initialiser \"t\""));
  return e.what();
}
pb::TensorProto typed(DType type, const std::vector<int64_t>& dims) {
  return raw_tensor("t", type, dims, "");
}
pb::TensorProto int32_tensor(DType type, const std::vector<int64_t>& dims,
                             const std::vector<int32_t>& values) {
  auto t = typed(type, dims);
  t.clear_raw_data();
  for (const int32_t v : values) t.add_int32_data(v);
  return t;
}

TEST(OnnxTensors, TypedFields) {
  EXPECT_THAT(load<double>(import_initialiser(float_tensor("t", {2}, {1.5f, -2}))),
              ElementsAre(1.5, -2));
  EXPECT_THAT(load<int64_t>(import_initialiser(int64_tensor("t", {1, 2}, {7, INT64_MIN}))),
              ElementsAre(7, INT64_MIN));
  EXPECT_THAT(load<int64_t>(import_initialiser(int32_tensor(DType::kU8, {2}, {255, 0}))),
              ElementsAre(255, 0));
  EXPECT_THAT(load<double>(import_initialiser(int32_tensor(DType::kF16, {2}, {0x3c00, 0xc000}))),
              ElementsAre(1, -2));
  EXPECT_THAT(load<int64_t>(import_initialiser(int32_tensor(DType::kBool, {2}, {1, 0}))),
              ElementsAre(1, 0));
  EXPECT_THAT(load<int64_t>(import_initialiser(int32_tensor(DType::kI4, {3}, {0x2f, 0x08}))),
              ElementsAre(-1, 2, -8));
  auto u64 = typed(DType::kU64, {1});
  u64.clear_raw_data();
  u64.add_uint64_data(UINT64_MAX);
  EXPECT_THAT(load<uint64_t>(import_initialiser(u64)), ElementsAre(UINT64_MAX));
  auto complex = typed(DType::kC64, {1});
  complex.clear_raw_data();
  complex.add_float_data(1);
  complex.add_float_data(-2);
  EXPECT_THAT(load<std::complex<double>>(import_initialiser(complex)),
              ElementsAre(std::complex<double>(1, -2)));
  auto text = typed(DType::kString, {2});
  text.clear_raw_data();
  text.add_string_data("a");
  text.add_string_data("");
  EXPECT_THAT(import_initialiser(text).string_values(), ElementsAre("a", ""));
}

TEST(OnnxTensors, RawData) {
  const Tensor t =
      import_initialiser(raw_tensor("t", DType::kI16, {2}, std::string("\x01\x00\xff\xff", 4)));
  EXPECT_THAT(load<int64_t>(t), ElementsAre(1, -1));
  EXPECT_EQ(import_initialiser(raw_tensor("t", DType::kF32, {0, 3}, "")).count(), 0);
  EXPECT_THAT(load<int64_t>(import_initialiser(raw_tensor("t", DType::kU2, {5}, "\xe4\x03"))),
              ElementsAre(0, 1, 2, 3, 3));
}

TEST(OnnxTensors, OddBitsAreMadeCanonical) {
  const Tensor packed = import_initialiser(raw_tensor("t", DType::kU4, {1}, "\xf3"));
  EXPECT_EQ(packed.data()[0], std::byte{3});
  const Tensor flags =
      import_initialiser(raw_tensor("t", DType::kBool, {2}, std::string("\x02\x00", 2)));
  EXPECT_EQ(flags.data()[0], std::byte{1});
}

TEST(OnnxTensors, PayloadsOfTheWrongLength) {
  EXPECT_THAT(refused(float_tensor("t", {3}, {1, 2})),
              HasSubstr("expected 3 entries of float_data"));
  EXPECT_THAT(refused(float_tensor("t", {}, {1, 2})), HasSubstr("got 2"));
  EXPECT_THAT(refused(raw_tensor("t", DType::kF32, {3}, "12345678")),
              HasSubstr("expected 12 bytes of raw_data"));
  EXPECT_THAT(refused(raw_tensor("t", DType::kU4, {3}, "123")), HasSubstr("expected 2 bytes"));
  EXPECT_THAT(refused(raw_tensor("t", DType::kI2, {9}, "12")), HasSubstr("expected 3 bytes"));
  EXPECT_THAT(refused(int32_tensor(DType::kI4, {3}, {1, 2, 3})),
              HasSubstr("expected 2 entries of int32_data"));
  EXPECT_THAT(refused(int64_tensor("t", {INT64_MAX, 2}, {})),
              HasSubstr("more elements than 2^63-1"));
  EXPECT_THAT(refused(raw_tensor("t", DType::kF64, {INT64_MAX}, "")), HasSubstr("t"));
  EXPECT_THAT(refused(float_tensor("t", {-1}, {})), HasSubstr("negative dimension"));
}

TEST(OnnxTensors, PayloadsThatContradictThemselves) {
  auto both = float_tensor("t", {1}, {1});
  both.set_raw_data("1234");
  EXPECT_THAT(refused(both), HasSubstr("at once"));
  EXPECT_THAT(refused(int32_tensor(DType::kU8, {1}, {256})),
              HasSubstr("int32_data holds 256, which is no uint8"));
  EXPECT_THAT(refused(raw_tensor("t", DType::kString, {1}, "a")),
              HasSubstr("expected string_data"));
  auto segment = float_tensor("t", {1}, {1});
  segment.mutable_segment()->set_begin(0);
  EXPECT_THAT(refused(segment), HasSubstr("segments"));
  for (const int number : {0, -1, 27, 1000}) {
    auto t = float_tensor("t", {1}, {1});
    t.set_data_type(number);
    EXPECT_THAT(refused(t), HasSubstr("expected a data type from 1 to 26"));
  }
}

pb::SparseTensorProto sparse(const std::vector<int64_t>& dims,
                             const std::vector<int64_t>& index_dims,
                             const std::vector<int64_t>& indices) {
  pb::SparseTensorProto s;
  *s.mutable_values() = float_tensor("t", {2}, {1, 2});
  *s.mutable_indices() = int64_tensor("", index_dims, indices);
  for (const int64_t d : dims) s.add_dims(d);
  return s;
}

TEST(OnnxTensors, SparseInitialisers) {
  auto import = [](const pb::SparseTensorProto& s) {
    ModelBuilder m;
    *m.graph().add_sparse_initializer() = s;
    m.output("t");
    return import_tensor(m);
  };
  EXPECT_THAT(load<double>(import(sparse({2, 3}, {2}, {1, 5}))), ElementsAre(0, 1, 0, 0, 0, 2));
  EXPECT_THAT(load<double>(import(sparse({2, 3}, {2, 2}, {0, 1, 1, 2}))),
              ElementsAre(0, 1, 0, 0, 0, 2));
  EXPECT_THROW(import(sparse({2, 3}, {2}, {1, 6})), Error);
  EXPECT_THROW(import(sparse({2, 3}, {2, 2}, {0, 1, 0, 3})), Error);
  EXPECT_THROW(import(sparse({2, 3}, {3}, {0, 1, 2})), Error);
  EXPECT_THROW(import(sparse({2, 3}, {2}, {-1, 0})), Error);
  const Error e = error_of([&] { import(sparse({1 << 20, 1 << 20}, {2}, {0, 1})); });
  EXPECT_EQ(e.code(), ErrorCode::kBudgetExceeded);
}

TEST(OnnxTensors, ConstantNodes) {
  auto constant = [](const pb::AttributeProto& a) {
    ModelBuilder m;
    m.node("Constant", {}, {"t"}, {a}).output("t");
    return import_tensor(m);
  };
  EXPECT_THAT(load<double>(constant(attr("value", float_tensor("", {1}, {3})))), ElementsAre(3));
  EXPECT_EQ(constant(attr("value_float", 2.5f)).dims(), Dims{});
  EXPECT_THAT(load<double>(constant(attr("value_floats", floats({1, 2})))), ElementsAre(1, 2));
  EXPECT_THAT(load<int64_t>(constant(attr("value_int", 9))), ElementsAre(9));
  EXPECT_THAT(load<int64_t>(constant(attr("value_ints", ints({})))), ElementsAre());
  EXPECT_THAT(constant(attr("value_string", "s")).string_values(), ElementsAre("s"));
  EXPECT_THAT(constant(attr("value_strings", std::vector<std::string>{"a", "b"})).string_values(),
              ElementsAre("a", "b"));
  pb::AttributeProto s;
  s.set_name("sparse_value");
  s.set_type(pb::AttributeProto::SPARSE_TENSOR);
  *s.mutable_sparse_tensor() = sparse({3}, {2}, {0, 2});
  EXPECT_THAT(load<double>(constant(s)), ElementsAre(1, 0, 2));
  EXPECT_THROW(constant(attr("values", 1)), Error);
  ModelBuilder none;
  none.node("Constant", {}, {"t"}).output("t");
  EXPECT_THAT(none.error().what(), HasSubstr("expected one attribute, got 0"));
}

}  // namespace
}  // namespace planish::testing
