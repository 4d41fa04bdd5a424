// SPDX-License-Identifier: Apache-2.0
// Images are cut into bands of output rows, each a problem of its own with the rows of x that it
// sees; the threads share the bands. For primitives of other libraries, which take whole images.
#pragma once

#include <cstdint>
#include <vector>

namespace planish::cpu {

// One spatial dim.
struct BandAxis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
  int64_t window() const { return (kernel - 1) * dilation + 1; }
};

// Rows of the output, rows of x, and zeros around the latter (of a transposed convolution: rows of
// the result that are cut off).
struct Band {
  int64_t row = 0, rows = 0;
  int64_t in_row = 0, in_rows = 0;
  int64_t pad = 0, pad_end = 0;

  bool is_like(const Band& other) const {
    return rows == other.rows && in_rows == other.in_rows && pad == other.pad &&
           pad_end == other.pad_end;
  }
};

// The image as one band, with the rows of x that no window sees.
Band all_rows(const BandAxis& axis, bool transposed);

// Bands of `rows` rows of one image, the last one of what is left. One band of all rows, if a
// smaller one would see nothing of x, or if it would begin between two places of a transposed
// convolution that no row of x reaches.
std::vector<Band> cut_rows(const BandAxis& axis, int64_t rows, bool transposed);

}  // namespace planish::cpu
