// SPDX-License-Identifier: Apache-2.0
// Cuts beside the definition: which rows of x the rows of an output see.
#include "backend/cpu/kernels/bands.h"

#include <gtest/gtest.h>

#include "base/str.h"

namespace planish::test {
namespace {

using cpu::Band;
using cpu::BandAxis;

// A band of a convolution is a convolution: tap t of its row r is row r * stride + t * dilation of
// its own padded image, and must be the same row of x as in the whole one, or padding in both.
void expect_same_rows(const BandAxis& axis, const Band& b) {
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t t = 0; t < axis.kernel; ++t) {
      const int64_t place = r * axis.stride + t * axis.dilation - b.pad;
      const int64_t whole = (b.row + r) * axis.stride + t * axis.dilation - axis.pad;
      ASSERT_LT(place, b.in_rows + b.pad_end);
      if (whole >= 0 && whole < axis.in) {
        ASSERT_EQ(place + b.in_row, whole);
      }
      ASSERT_EQ(place >= 0 && place < b.in_rows, whole >= 0 && whole < axis.in);
    }
}

// Row i of x reaches the rows i * stride + t * dilation - pad of the result: as many ways from the
// band's rows of x to a row of the band as from all of x to it, and from the same rows.
void expect_same_sources(const BandAxis& axis, const Band& b) {
  const auto sources = [&](int64_t in_row, int64_t in_rows, int64_t pad, int64_t row) {
    std::vector<std::pair<int64_t, int64_t>> found;
    for (int64_t i = 0; i < in_rows; ++i)
      for (int64_t t = 0; t < axis.kernel; ++t)
        if (i * axis.stride + t * axis.dilation - pad == row) found.emplace_back(in_row + i, t);
    return found;
  };
  ASSERT_GE(b.pad, 0);
  for (int64_t r = 0; r < b.rows; ++r)
    ASSERT_EQ(sources(b.in_row, b.in_rows, b.pad, r), sources(0, axis.in, axis.pad, b.row + r));
}

int cuts(BandAxis axis, bool transposed) {
  int most = 0;
  for (int64_t rows = 1; rows <= axis.out; ++rows) {
    SCOPED_TRACE(concat("in ", axis.in, ", out ", axis.out, ", kernel ", axis.kernel, ", stride ",
                        axis.stride, ", dilation ", axis.dilation, ", pad ", axis.pad, ", rows ",
                        rows));
    const std::vector<Band> bands = cpu::cut_rows(axis, rows, transposed);
    most = std::max(most, static_cast<int>(bands.size()));
    int64_t next = 0;
    for (const Band& b : bands) {
      EXPECT_EQ(b.row, next);
      next += b.rows;
      if (bands.size() > 1) {
        EXPECT_LE(b.rows, rows);
      }
      EXPECT_GE(b.in_rows, 1);
      EXPECT_LE(b.in_row + b.in_rows, axis.in);
      EXPECT_GE(b.pad, 0);
      EXPECT_GE(b.pad_end, 0);
      transposed ? expect_same_sources(axis, b) : expect_same_rows(axis, b);
    }
    EXPECT_EQ(next, axis.out);
    if (::testing::Test::HasFailure()) break;
  }
  return most;
}

template <class F>
void for_each_geometry(F f) {
  for (int64_t kernel : {1, 2, 3, 4})
    for (int64_t stride : {1, 2, 3})
      for (int64_t dilation : {1, 2})
        for (int64_t pad : {0, 1, 2})
          for (int64_t in : {1, 4, 9, 10}) {
            f(BandAxis{
                .in = in, .kernel = kernel, .stride = stride, .dilation = dilation, .pad = pad});
            if (::testing::Test::HasFailure()) return;
          }
}

TEST(Bands, OfAConvolutionSeeTheRowsOfTheWholeImage) {
  int most = 0;
  for_each_geometry([&](BandAxis axis) {
    const int64_t room = axis.in + 2 * axis.pad - axis.window();
    if (room < 0) return;
    axis.out = room / axis.stride + 1;
    most = std::max(most, cuts(axis, false));
  });
  EXPECT_GT(most, 8);
}

TEST(Bands, OfATransposedConvolutionHaveTheSourcesOfTheWholeImage) {
  int most = 0;
  for_each_geometry([&](BandAxis axis) {
    axis.out = (axis.in - 1) * axis.stride + axis.window() - 2 * axis.pad;
    if (axis.out < 1) return;
    most = std::max(most, cuts(axis, true));
  });
  EXPECT_GT(most, 8);
}

// Rows 2, 5, ... get nothing: a band that begins there has no place to begin in x.
TEST(Bands, ThatBeginInAGapAreNotCut) {
  const BandAxis axis{.in = 4, .out = 11, .kernel = 2, .stride = 3};
  EXPECT_EQ(cpu::cut_rows(axis, 2, true).size(), 1U);
  EXPECT_EQ(cpu::cut_rows(axis, 3, true).size(), 4U);
}

}  // namespace
}  // namespace planish::test
