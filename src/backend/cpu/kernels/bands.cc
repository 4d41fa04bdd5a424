// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/bands.h"

#include <algorithm>

#include "backend/cpu/kernels/partition.h"

namespace planish::cpu {
namespace {

Band band_of(const BandAxis& a, int64_t row, int64_t rows) {
  const int64_t first = row * a.stride - a.pad;
  const int64_t last = first + (rows - 1) * a.stride + a.window() - 1;
  Band band{.row = row, .rows = rows};
  band.in_row = std::max<int64_t>(first, 0);
  const int64_t in_last = std::min(last, a.in - 1);
  band.in_rows = in_last - band.in_row + 1;
  band.pad = band.in_row - first;
  // Rows of x that no window reaches any more are no padding.
  band.pad_end = last - in_last;
  return band;
}

// Row i of x reaches output rows i * stride - pad to i * stride - pad + window - 1.
Band transposed_band_of(const BandAxis& a, int64_t row, int64_t rows) {
  Band band{.row = row, .rows = rows};
  const int64_t before = row + a.pad - (a.window() - 1);
  band.in_row = before <= 0 ? 0 : divide_up(before, a.stride);
  const int64_t in_last = std::min((row + rows - 1 + a.pad) / a.stride, a.in - 1);
  band.in_rows = in_last - band.in_row + 1;
  band.pad = row + a.pad - band.in_row * a.stride;
  // Negative where the output has rows that only output_padding explains: oneDNN infers those.
  band.pad_end = std::max<int64_t>(0, (band.in_rows - 1) * a.stride + a.window() - band.pad - rows);
  return band;
}

}  // namespace

Band all_rows(const BandAxis& a, bool transposed) {
  const int64_t needed = transposed ? (a.in - 1) * a.stride + a.window() - a.out
                                    : (a.out - 1) * a.stride + a.window() - a.in;
  return {.rows = a.out,
          .in_rows = a.in,
          .pad = a.pad,
          .pad_end = std::max<int64_t>(0, needed - a.pad)};
}

std::vector<Band> cut_rows(const BandAxis& axis, int64_t rows, bool transposed) {
  const auto make = transposed ? transposed_band_of : band_of;
  std::vector<Band> bands;
  for (int64_t row = 0; row < axis.out; row += rows) {
    bands.push_back(make(axis, row, std::min(rows, axis.out - row)));
    if (bands.back().in_rows < 1 || bands.back().pad < 0) return {all_rows(axis, transposed)};
  }
  return bands;
}

}  // namespace planish::cpu
