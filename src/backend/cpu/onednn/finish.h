// SPDX-License-Identifier: Apache-2.0
// What is left to do on a finished block of a product: all of the epilogue but the bias, by our own
// kernels. oneDNN's post-ops are not used: its relu and clip turn NaN into a number.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/isa.h"

namespace planish::cpu::onednn {

// Whether blocks need a second look, so that they should be small enough for a cache.
bool needs_finish(const Epilogue& epilogue);

// Rows row0 to row0 + rows - 1, columns col0 to col0 + cols - 1 of c, which points at the first.
// Rows of c and of the residual are c_row and epilogue.residual_row apart; the epilogue's pointers
// are those of the whole matrix.
void finish(Isa isa, const Epilogue& epilogue, float* c, int64_t c_row, int64_t row0, int64_t rows,
            int64_t col0, int64_t cols);

}  // namespace planish::cpu::onednn
