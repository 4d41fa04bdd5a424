// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/gemm_block.h"
#include "backend/cpu/kernels/gemm_tile.h"
#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {
namespace {

using TileFunction = void (*)(const Tile&);

template <int kVecs, int kRows>
constexpr void fill_tiles(TileFunction* tiles) {
  tiles[kRows] = &compute_tile<kRows, kVecs>;
  if constexpr (kRows > 1) fill_tiles<kVecs, kRows - 1>(tiles);
}

// By vectors of columns less one, and rows.
struct TileTable {
  TileFunction by_rows[2][kMaxRows + 1] = {};
  constexpr TileTable() {
    fill_tiles<1, kMaxRows>(by_rows[0]);
    fill_tiles<2, kMaxRows>(by_rows[1]);
  }
};
constexpr TileTable kTiles;

// Half of a second-level cache of 1 MiB, in floats.
constexpr int64_t kBlockOfB = 128 * 1024;

// The most products between two passes over C.
constexpr int64_t kMaxStretch = 768;
constexpr int64_t kMaxStretchOfOneTile = 8192;

// The finished floats that activation and tail find in the first-level cache.
constexpr int64_t kHotFloats = 4096;

// The most rows of a tile. Rows that are a multiple of 4096 bytes apart share one set of the
// first-level cache, which has 8 ways (some processors 12).
int64_t tile_rows(const GemmBlock& g) {
  constexpr int64_t kWays = 8;
  const bool one_set = g.a_step == 1 && g.a_row % 1024 == 0 && g.a_row != 0;
  return one_set ? least<int64_t>(kMaxRows, kWays) : kMaxRows;
}

// A stretch of the sum over k, between two passes over C.
struct Stretch {
  static constexpr int64_t kMost = 64;
  Segment segments[kMost];
  int64_t count = 0;
  int64_t begin = 0;  // products before it
  int64_t length = 0;
  bool last = false;
};

// Cuts the segments of a block into stretches of about `target` products.
class Cutter {
 public:
  explicit Cutter(const GemmBlock& g) : g_(g) {
    for (int64_t s = 0; s < g.segment_count; ++s) total_ += g.segments[s].length;
    // One tile of rows uses B once: nothing to keep in the cache.
    const int64_t most = g.runs * g.rows <= kMaxRows ? kMaxStretchOfOneTile : kMaxStretch;
    const int64_t stretches = greatest<int64_t>((total_ + most - 1) / most, 1);
    target_ = greatest<int64_t>((total_ + stretches - 1) / stretches, 1);
  }

  int64_t target() const { return target_; }

  void next(Stretch& stretch) {
    stretch.begin += stretch.length;
    stretch.count = 0;
    stretch.length = 0;
    while (segment_ < g_.segment_count && stretch.length < target_ &&
           stretch.count < Stretch::kMost) {
      const Segment& s = g_.segments[segment_];
      const int64_t n = least(s.length - within_, target_ - stretch.length);
      stretch.segments[stretch.count++] = {s.offset + within_ * g_.a_step, n};
      stretch.length += n;
      within_ += n;
      if (within_ == s.length) {
        ++segment_;
        within_ = 0;
      }
    }
    stretch.last = stretch.begin + stretch.length == total_;
  }

 private:
  const GemmBlock& g_;
  int64_t total_ = 0, target_ = 0;
  int64_t segment_ = 0, within_ = 0;
};

// One thread's walk over a block: columns in blocks, k in stretches, then runs of rows, tiles,
// panels.
class Walk {
 public:
  explicit Walk(const GemmBlock& g)
      : g_(g), pass_(activation::needs_pass(g.epilogue)), tile_rows_(tile_rows(g)) {}

  void run() const {
    const int64_t fit = kBlockOfB / (Cutter(g_).target() * kPanel) * kPanel;
    const int64_t width = greatest<int64_t>(fit, 2 * kPanel);
    for (int64_t col = 0; col < g_.cols; col += width) {
      columns(col, least(col + width, g_.cols));
    }
  }

 private:
  void columns(int64_t col, int64_t col_end) const {
    Cutter cutter(g_);
    Stretch k;
    do {
      cutter.next(k);
      for (int64_t r = 0; r < g_.runs; ++r) rows(r, k, col, col_end);
    } while (!k.last);
  }

  // A run, in groups of tiles that stay hot until the activation and the tail come.
  void rows(int64_t run, const Stretch& k, int64_t col, int64_t col_end) const {
    const int64_t tiles = (g_.rows + tile_rows_ - 1) / tile_rows_;
    const int64_t height = g_.rows / tiles, taller = g_.rows % tiles;
    const bool after = k.last && (pass_ || g_.epilogue.tail != nullptr);
    int64_t row = 0, group = 0;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t n = height + (i < taller ? 1 : 0);
      panels(run, row, n, k, col, col_end);
      row += n;
      if (after && (i + 1 == tiles || (row + n - group) * (col_end - col) > kHotFloats)) {
        complete(run, group, row - group, col, col_end);
        group = row;
      }
    }
  }

  void panels(int64_t run, int64_t row, int64_t rows, const Stretch& k, int64_t col,
              int64_t col_end) const {
    const Epilogue& e = g_.epilogue;
    const bool first = k.begin == 0;
    const bool add = first && e.residual != nullptr && !e.residual_last;
    Tile t{};
    t.a = g_.a + run * g_.a_run + row * g_.a_row;
    t.a_row = g_.a_row;
    t.a_step = g_.a_step;
    t.segments = k.segments;
    t.segment_count = k.count;
    t.c_row = g_.c_row;
    t.row_bias = first && e.row_bias != nullptr ? e.row_bias + row : nullptr;
    t.alpha = e.alpha;
    t.clip = k.last && e.activation == Activation::clip && !pass_;
    t.low = e.p;
    t.high = e.q;
    float* c = g_.c + run * g_.c_run + row * g_.c_row;
    const float* residual =
        add ? e.residual + run * g_.residual_run + row * e.residual_row : nullptr;
    for (int64_t j = col; j < col_end; j += kPanel) {
      t.cols = least<int64_t>(kPanel, g_.cols - j);
      const bool narrow = t.cols <= kLanes;
      locate_b(j, k.begin, narrow, t);
      t.c = c + j;
      t.bias = first && e.bias != nullptr ? e.bias + j : nullptr;
      t.add = first ? (residual != nullptr ? residual + j : nullptr) : t.c;
      t.add_row = first ? e.residual_row : g_.c_row;
      kTiles.by_rows[narrow ? 0 : 1][rows](t);
    }
  }

  void locate_b(int64_t j, int64_t k, bool narrow, Tile& t) const {
    const bool packed = g_.b_step == 0;
    if (packed || t.cols < kPanel) {
      t.b_step = narrow ? kLanes : kPanel;
      t.b = (packed ? g_.b + j / kPanel * g_.b_panel : g_.b_last) + k * t.b_step;
    } else {
      t.b_step = g_.b_step;
      t.b = g_.b + j / kPanel * g_.b_panel + k * t.b_step;
    }
  }

  void complete(int64_t run, int64_t row, int64_t rows, int64_t col, int64_t col_end) const {
    const Epilogue& e = g_.epilogue;
    float* c = g_.c + run * g_.c_run + row * g_.c_row + col;
    if (pass_) {
      const float* residual = e.residual == nullptr || !e.residual_last
                                  ? nullptr
                                  : e.residual + run * g_.residual_run + row * e.residual_row + col;
      activation::apply_rows(e, c, g_.c_row, rows, col_end - col, residual);
    }
    if (e.tail != nullptr) {
      e.tail(e.tail_state, c, g_.c_row, g_.batch, g_.row0 + run * g_.row_run + row, rows,
             g_.col0 + col, col_end - col);
    }
  }

  const GemmBlock& g_;
  const bool pass_;
  const int64_t tile_rows_;
};

void block(const GemmBlock& g) {
  if (g.runs > 0 && g.rows > 0 && g.cols > 0) Walk(g).run();
}

// A panel whose rows are contiguous in B.
void pack_rows(const float* b, int64_t b_row, int64_t k, int64_t cols, int64_t width, float* out) {
  for (int64_t i = 0; i < k; ++i, b += b_row, out += width) {
    for (int64_t v = 0; v < width; v += kLanes) {
      load_up_to(b + v, greatest<int64_t>(cols - v, 0)).store(out + v);
    }
  }
}

// A panel whose columns are contiguous in B: blocks of 4 rows and 4 columns are turned in
// registers.
void pack_columns(const float* b, int64_t b_col, int64_t k, int64_t cols, int64_t width,
                  float* out) {
  const int64_t whole_k = k / 4 * 4, whole_cols = cols / 4 * 4;
  for (int64_t i = 0; i < whole_k; i += 4) {
    for (int64_t j = 0; j < whole_cols; j += 4) {
      const float* in = b + j * b_col + i;
      __m128 c0 = _mm_loadu_ps(in), c1 = _mm_loadu_ps(in + b_col);
      __m128 c2 = _mm_loadu_ps(in + 2 * b_col), c3 = _mm_loadu_ps(in + 3 * b_col);
      _MM_TRANSPOSE4_PS(c0, c1, c2, c3);
      float* to = out + i * width + j;
      _mm_storeu_ps(to, c0);
      _mm_storeu_ps(to + width, c1);
      _mm_storeu_ps(to + 2 * width, c2);
      _mm_storeu_ps(to + 3 * width, c3);
    }
  }
  for (int64_t i = 0; i < k; ++i) {
    const int64_t first = i < whole_k ? whole_cols : 0;
    for (int64_t j = first; j < width; ++j) out[i * width + j] = j < cols ? b[j * b_col + i] : 0.0f;
  }
}

void pack_any(const float* b, int64_t b_row, int64_t b_col, int64_t k, int64_t cols, int64_t width,
              float* out) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < width; ++j) {
      out[i * width + j] = j < cols ? b[i * b_row + j * b_col] : 0.0f;
    }
  }
}

void pack(const float* b, int64_t b_row, int64_t b_col, int64_t k, int64_t n, int64_t col0,
          int64_t col1, float* packed) {
  for (int64_t j = col0; j < col1; j += kPanel) {
    const int64_t cols = least<int64_t>(kPanel, n - j);
    const int64_t width = cols <= kLanes ? kLanes : kPanel;
    const float* in = b + j * b_col;
    if (b_col == 1) {
      pack_rows(in, b_row, k, cols, width, packed + j * k);
    } else if (b_row == 1) {
      pack_columns(in, b_col, k, cols, width, packed + j * k);
    } else {
      pack_any(in, b_row, b_col, k, cols, width, packed + j * k);
    }
  }
}

}  // namespace

const GemmKernels kGemmKernels = {kMaxRows, kPanel, kLanes, &block, &pack};

}  // namespace planish::cpu::PLANISH_ISA
