// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a kernel's rows and columns are shared out among threads.

#include <algorithm>
#include <cstdint>

namespace planish::cpu {

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// The begin of part `i` of `parts` of [0, units), sizes as even as can be.
constexpr int64_t part_begin(int64_t units, int64_t parts, int64_t i) {
  return units / parts * i + std::min(i, units % parts);
}

struct Grid {
  int64_t rows = 1, cols = 1;  // parts along each
  int64_t parts() const { return rows * cols; }
};

// Work below this many multiply-adds is not worth a hand-over to another thread.
inline constexpr int64_t kWorthSharing = 64 * 1024;

// Parts of a product of row_units by col_units (tiles and panels), where a part along the rows
// reads all of B (b_cost) again and one along the columns all of A (a_cost). `wanted` parts at
// most; fewer if there are not enough units or the work does not carry them.
inline Grid choose_grid(int64_t row_units, int64_t col_units, double a_cost, double b_cost,
                        double multiply_adds, int64_t wanted) {
  const double carried = multiply_adds / static_cast<double>(kWorthSharing);
  wanted = std::min(wanted, static_cast<int64_t>(std::clamp(carried, 1.0, 1e6)));
  Grid best;
  double best_cost = 0;
  for (int64_t cols = 1; cols <= std::min(col_units, wanted); ++cols) {
    const Grid grid{std::min(row_units, std::max<int64_t>(wanted / cols, 1)), cols};
    // Reading again is cheap beside an idle thread: the fullest grid wins, then the cheapest.
    const double cost = static_cast<double>(grid.rows) * b_cost +
                        static_cast<double>(grid.cols) * a_cost +
                        (static_cast<double>(wanted) / static_cast<double>(grid.parts()) - 1.0) *
                            (a_cost + b_cost) * static_cast<double>(wanted);
    if (cols == 1 || cost < best_cost) {
      best = grid;
      best_cost = cost;
    }
  }
  return best;
}

// Parts asked for on a pool of `threads`: several a thread, so that a late thread delays little.
inline int64_t wanted_parts(int threads) { return threads == 1 ? 1 : int64_t{threads} * 4; }

}  // namespace planish::cpu
