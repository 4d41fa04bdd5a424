// SPDX-License-Identifier: Apache-2.0
// The matrix product under the portable kernels of matrix multiplication and convolution.
#pragma once

#include <cstdint>

namespace planish {

// out[m][n] = a[m][k] * b[k][n]; row-major and dense; every element is overwritten. Floats are
// summed in double, in order of k; integers modulo 2^64.
void matrix_product(int64_t m, int64_t n, int64_t k, const float* a, const float* b, double* out);
void matrix_product(int64_t m, int64_t n, int64_t k, const double* a, const double* b, double* out);
void matrix_product(int64_t m, int64_t n, int64_t k, const int64_t* a, const int64_t* b,
                    int64_t* out);

// out[columns][rows] = in[rows][columns]
template <class T>
void transpose_matrix(int64_t rows, int64_t columns, const T* in, T* out) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) out[j * rows + i] = in[i * columns + j];
}

}  // namespace planish
