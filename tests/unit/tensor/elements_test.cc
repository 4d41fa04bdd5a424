// SPDX-License-Identifier: Apache-2.0
#include "tensor/elements.h"

#include <gtest/gtest.h>

#include <cmath>

#include "planish/error.h"
#include "tensor/float_formats.h"

namespace planish {
namespace {

TEST(FloatFormats, EveryCodeRoundTrips) {
  for (DType type : {DType::kF16, DType::kBF16, DType::kF8E4M3FN, DType::kF8E4M3FNUZ,
                     DType::kF8E5M2, DType::kF8E5M2FNUZ, DType::kF4E2M1}) {
    const FloatFormat& f = float_format(type);
    for (uint32_t code = 0; code < (1u << f.bits()); ++code) {
      const double v = decode_float(f, code);
      if (std::isnan(v))
        EXPECT_TRUE(std::isnan(decode_float(f, encode_float(f, v, false))));
      else
        EXPECT_EQ(encode_float(f, v, false), code) << dtype_name(type) << " " << v;
    }
  }
}

TEST(FloatFormats, RoundsToNearestEvenAndOverflows) {
  const FloatFormat& e4m3 = float_format(DType::kF8E4M3FN);
  EXPECT_EQ(decode_float(e4m3, encode_float(e4m3, 448, false)), 448);
  EXPECT_EQ(decode_float(e4m3, encode_float(e4m3, 1e6, true)), 448);
  EXPECT_TRUE(std::isnan(decode_float(e4m3, encode_float(e4m3, 1e6, false))));
  EXPECT_EQ(decode_float(e4m3, encode_float(e4m3, 17, false)), 16);  // tie to even
  EXPECT_EQ(decode_float(e4m3, encode_float(e4m3, 19, false)), 20);
  const FloatFormat& f16 = float_format(DType::kF16);
  EXPECT_EQ(decode_float(f16, encode_float(f16, 65520, false)), HUGE_VAL);
  EXPECT_EQ(decode_float(f16, encode_float(f16, 65519, false)), 65504);
  EXPECT_EQ(encode_float(f16, -0.0, false), 0x8000u);
}

TEST(Elements, PackedTypesKeepTheirSign) {
  Tensor t(DType::kI4, {3});
  store<int64_t>(t, {-8, 7, -1});
  EXPECT_EQ(t.bytes(), 2u);
  EXPECT_EQ(load<int64_t>(t), (std::vector<int64_t>{-8, 7, -1}));
  EXPECT_EQ(unpack(t), (std::vector<uint8_t>{0xF8, 7, 0xFF}));
  Tensor u(DType::kU2, {5});
  store<int64_t>(u, {0, 1, 2, 3, 2});
  EXPECT_EQ(load<double>(u), (std::vector<double>{0, 1, 2, 3, 2}));
}

TEST(Elements, StoringWrapsAndTruncates) {
  Tensor t(DType::kI8, {4});
  store<double>(t, {1.9, -1.9, 300, NAN});
  EXPECT_EQ(load<int64_t>(t), (std::vector<int64_t>{1, -1, 44, 0}));
  Tensor b(DType::kBool, {3});
  store<double>(b, {0, -0.5, NAN});
  EXPECT_EQ(load<int64_t>(b), (std::vector<int64_t>{0, 1, 1}));
}

TEST(Elements, RangesAreChecked) {
  Tensor t(DType::kF32, {4});
  std::vector<double> out(8);
  EXPECT_THROW(load<double>(t, 1, 4, out.data()), Error);
  EXPECT_THROW(load<double>(Tensor::strings({1}, {"x"}), 0, 1, out.data()), Error);
}

}  // namespace
}  // namespace planish
