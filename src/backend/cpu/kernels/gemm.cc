// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/gemm.h"

#include <algorithm>

#include "backend/cpu/kernels/gemm_block.h"
#include "backend/cpu/kernels/partition.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

// How an unpacked B reaches the tiles.
enum class Route {
  packed,    // it is packed already
  in_place,  // rows are contiguous and A has too few rows to repay packing; the last panel is
             // packed
  by_all,    // one matrix after the other: all threads pack it, then all multiply
  by_each,   // each thread packs and multiplies whole matrices of the batch
};

constexpr int64_t kAlignFloats = 16;

int64_t batches(const Gemm& g) { return g.batch[0] * g.batch[1]; }

int64_t packed_floats(const GemmKernels& kernels, int64_t k, int64_t n) {
  const int64_t rest = n % kernels.panel;
  const int64_t width = n - rest +
                        (rest == 0               ? 0
                         : rest <= kernels.lanes ? kernels.lanes
                                                 : kernels.panel);
  return round_up(width * k, kAlignFloats);
}

Route choose_route(const GemmKernels& kernels, const Gemm& g, int threads) {
  if (g.b_packed) return Route::packed;
  if (g.b_col == 1 && g.m <= kernels.max_rows) return Route::in_place;
  const bool shared = g.b_batch[0] == 0 && g.b_batch[1] == 0;
  return !shared && batches(g) >= threads ? Route::by_each : Route::by_all;
}

}  // namespace

const GemmKernels& gemm_kernels(Isa isa) {
  return by_isa(isa, plain::kGemmKernels, avx2::kGemmKernels, avx512::kGemmKernels);
}

int64_t gemm_packed_floats(Isa isa, int64_t k, int64_t n) {
  return packed_floats(gemm_kernels(isa), k, n);
}

void gemm_pack(Isa isa, const float* b, int64_t b_row, int64_t b_col, int64_t k, int64_t n,
               float* packed) {
  gemm_kernels(isa).pack(b, b_row, b_col, k, n, 0, n, packed);
}

namespace {

int64_t packed_by_route(const GemmKernels& kernels, const Gemm& g, Route route, int threads) {
  switch (route) {
    case Route::packed: return 0;
    case Route::in_place: {
      const int64_t rest = g.n % kernels.panel;
      return rest == 0 ? 0 : packed_floats(kernels, g.k, rest) * batches(g);
    }
    case Route::by_all: return packed_floats(kernels, g.k, g.n);
    case Route::by_each: return packed_floats(kernels, g.k, g.n) * threads;
  }
  return 0;
}

class Product {
 public:
  Product(Isa isa, const Gemm& gemm, void* scratch, ThreadPool& pool)
      : g_(gemm),
        kernels_(gemm_kernels(isa)),
        route_(choose_route(kernels_, gemm, pool.threads())),
        scratch_(static_cast<float*>(scratch)),
        pool_(pool),
        whole_{0, gemm.k},
        panels_(divide_up(gemm.n, kernels_.panel)) {}

  void run() const {
    if (batches(g_) <= 0 || g_.m <= 0 || g_.n <= 0) return;
    switch (route_) {
      case Route::packed:
      case Route::in_place: return multiply(0, batches(g_), nullptr);
      case Route::by_all: return pack_then_multiply();
      case Route::by_each: {
        const int64_t each = packed_floats(kernels_, g_.k, g_.n);
        pool_.parallel_for(batches(g_), [&](int64_t batch, int slot) {
          float* packed = scratch_ + slot * each;
          kernels_.pack(b_of(batch), g_.b_row, g_.b_col, g_.k, g_.n, 0, g_.n, packed);
          part({1, 1}, 0, batch, packed);
        });
      }
    }
  }

 private:
  static int64_t at(const int64_t (&stride)[2], const Gemm& g, int64_t batch) {
    return batch / g.batch[1] * stride[0] + batch % g.batch[1] * stride[1];
  }
  const float* b_of(int64_t batch) const { return g_.b + at(g_.b_batch, g_, batch); }

  // B packed by all threads, for the whole batch at once if the batch shares it.
  void pack_then_multiply() const {
    const bool shared = g_.b_batch[0] == 0 && g_.b_batch[1] == 0;
    const int64_t step = shared ? batches(g_) : 1;
    const int64_t parts = std::min(panels_, int64_t{pool_.threads()});
    for (int64_t batch = 0; batch < batches(g_); batch += step) {
      pool_.parallel_for(parts, [&](int64_t i) {
        kernels_.pack(b_of(batch), g_.b_row, g_.b_col, g_.k, g_.n, column(parts, i),
                      column(parts, i + 1), scratch_);
      });
      multiply(batch, batch + step, scratch_);
    }
  }

  // The first column of part i of the panels.
  int64_t column(int64_t parts, int64_t i) const {
    return std::min(part_begin(panels_, parts, i) * kernels_.panel, g_.n);
  }

  void multiply(int64_t first, int64_t last, const float* packed) const {
    const double m = static_cast<double>(g_.m), n = static_cast<double>(g_.n);
    const double k = static_cast<double>(g_.k);
    const int64_t count = last - first;
    const Grid grid = choose_grid(divide_up(g_.m, kernels_.max_rows), panels_, m * k, n * k,
                                  m * n * k, divide_up(wanted_parts(pool_.threads()), count));
    if (route_ == Route::in_place) pack_last_panels();
    const double all = m * n * k * static_cast<double>(count);
    const int64_t tasks = grid.parts() * count;
    const auto task = [&](int64_t i) {
      part(grid, i % grid.parts(), first + i / grid.parts(), packed);
    };
    if (all < static_cast<double>(2 * kWorthSharing)) {
      for (int64_t i = 0; i < tasks; ++i) task(i);
    } else {
      pool_.parallel_for(tasks, task);
    }
  }

  int64_t last_panel_floats() const {
    const int64_t rest = g_.n % kernels_.panel;
    return rest == 0 ? 0 : packed_floats(kernels_, g_.k, rest);
  }

  void pack_last_panels() const {
    const int64_t rest = g_.n % kernels_.panel;
    if (rest == 0) return;
    for (int64_t batch = 0; batch < batches(g_); ++batch) {
      kernels_.pack(b_of(batch) + (g_.n - rest), g_.b_row, 1, g_.k, rest, 0, rest,
                    scratch_ + batch * last_panel_floats());
    }
  }

  // Part `i` of the grid over matrix `batch`.
  void part(Grid grid, int64_t i, int64_t batch, const float* packed) const {
    const int64_t tiles = divide_up(g_.m, kernels_.max_rows);
    const auto row = [&](int64_t r) {
      return std::min(part_begin(tiles, grid.rows, r) * kernels_.max_rows, g_.m);
    };
    const int64_t m0 = row(i / grid.cols), m1 = row(i / grid.cols + 1);
    const int64_t n0 = column(grid.cols, i % grid.cols), n1 = column(grid.cols, i % grid.cols + 1);
    GemmBlock block;
    block.a = g_.a + at(g_.a_batch, g_, batch) + m0 * g_.a_row;
    block.a_row = g_.a_row;
    block.a_step = g_.a_col;
    block.segments = &whole_;
    block.segment_count = g_.k > 0 ? 1 : 0;
    if (route_ == Route::in_place) {
      block.b = b_of(batch) + n0;
      block.b_panel = kernels_.panel;
      block.b_step = g_.b_row;
      block.b_last = scratch_ + batch * last_panel_floats();
    } else {
      block.b = (packed != nullptr ? packed : b_of(batch)) + n0 * g_.k;
      block.b_panel = kernels_.panel * g_.k;
    }
    block.c = g_.c + at(g_.c_batch, g_, batch) + m0 * g_.c_row + n0;
    block.c_row = g_.c_row;
    block.rows = m1 - m0;
    block.cols = n1 - n0;
    block.batch = batch;
    block.row0 = m0;
    block.col0 = n0;
    Epilogue& e = block.epilogue = g_.epilogue;
    if (e.bias != nullptr) e.bias += n0;
    if (e.row_bias != nullptr) e.row_bias += m0;
    if (e.residual != nullptr) {
      e.residual += at(g_.residual_batch, g_, batch) + m0 * e.residual_row + n0;
    }
    kernels_.block(block);
  }

  const Gemm& g_;
  const GemmKernels& kernels_;
  const Route route_;
  float* const scratch_;
  ThreadPool& pool_;
  const Segment whole_;
  const int64_t panels_;
};

}  // namespace

int64_t gemm_scratch_bytes(Isa isa, const Gemm& gemm, int threads) {
  const GemmKernels& kernels = gemm_kernels(isa);
  const int64_t floats =
      packed_by_route(kernels, gemm, choose_route(kernels, gemm, threads), threads);
  return floats * static_cast<int64_t>(sizeof(float));
}

void gemm(Isa isa, const Gemm& gemm, void* scratch, ThreadPool& pool) {
  Product(isa, gemm, scratch, pool).run();
}

}  // namespace planish::cpu
