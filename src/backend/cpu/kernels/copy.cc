// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace planish::cpu {

namespace {

struct Chunk16 {
  uint64_t half[2];
};

// Bytes that one task moves at least.
constexpr int64_t kTaskBytes = 64 * 1024;
// Side of the squares in which a transposition walks, in elements.
constexpr int64_t kSquare = 64;

struct Dim {
  int64_t size;
  int64_t src;
  int64_t dst;
};

struct Layout {
  int rank = 0;
  Dim dims[kMaxCopyRank];

  int64_t elements(int first, int last) const {
    int64_t count = 1;
    for (int d = first; d < last; ++d) count *= dims[d].size;
    return count;
  }
};

// Without dims of 1, the destination's longest strides first, and with neighbours merged that both
// sides walk as one.
Layout simplify(const CopyParams& params) {
  Layout all;
  for (int d = 0; d < params.rank; ++d) {
    if (params.dims[d] == 1) continue;
    all.dims[all.rank++] = {params.dims[d], params.src_strides[d], params.dst_strides[d]};
  }
  std::stable_sort(all.dims, all.dims + all.rank, [](const Dim& a, const Dim& b) {
    return std::llabs(a.dst) > std::llabs(b.dst);
  });
  Layout merged;
  for (int d = 0; d < all.rank; ++d) {
    const Dim& dim = all.dims[d];
    Dim* outer = merged.rank > 0 ? &merged.dims[merged.rank - 1] : nullptr;
    if (outer != nullptr && outer->src == dim.src * dim.size && outer->dst == dim.dst * dim.size) {
      *outer = {outer->size * dim.size, dim.src, dim.dst};
    } else {
      merged.dims[merged.rank++] = dim;
    }
  }
  if (merged.rank == 0) merged.dims[merged.rank++] = {1, 1, 1};
  return merged;
}

struct Offsets {
  int64_t src = 0;
  int64_t dst = 0;
};

// Offsets of the index-th element of dims [0, last).
Offsets offsets_at(const Layout& layout, int last, int64_t index) {
  Offsets at;
  for (int d = last - 1; d >= 0; --d) {
    const int64_t i = index % layout.dims[d].size;
    index /= layout.dims[d].size;
    at.src += i * layout.dims[d].src;
    at.dst += i * layout.dims[d].dst;
  }
  return at;
}

template <class T>
void strided_run(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t n) {
  if (src_stride == 1 && dst_stride == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (src_stride == 0 && dst_stride == 1) {
    std::fill_n(dst, n, *src);
  } else if (dst_stride == 1) {
    for (int64_t i = 0; i < n; ++i) dst[i] = src[i * src_stride];
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_stride] = src[i * src_stride];
  }
}

// dst[c * dst_ld + r] = src[r * src_ld + c] for kRows rows: planes become pixels.
template <int kRows, class T>
void interleave(const T* src, int64_t src_ld, T* dst, int64_t dst_ld, int64_t cols) {
  for (int64_t c = 0; c < cols; ++c, dst += dst_ld)
    for (int r = 0; r < kRows; ++r) dst[r] = src[r * src_ld + c];
}

// The same for kCols columns: pixels become planes.
template <int kCols, class T>
void separate(const T* src, int64_t src_ld, T* dst, int64_t dst_ld, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r, src += src_ld)
    for (int c = 0; c < kCols; ++c) dst[c * dst_ld + r] = src[c];
}

// dst[c * dst_ld + r] = src[r * src_ld + c]
template <class T>
void transpose_square(const T* src, int64_t src_ld, T* dst, int64_t dst_ld, int64_t rows,
                      int64_t cols, const CopyTable& table) {
  switch (rows) {
    case 2: return interleave<2>(src, src_ld, dst, dst_ld, cols);
    case 3: return interleave<3>(src, src_ld, dst, dst_ld, cols);
    case 4: return interleave<4>(src, src_ld, dst, dst_ld, cols);
    default: break;
  }
  switch (cols) {
    case 2: return separate<2>(src, src_ld, dst, dst_ld, rows);
    case 3: return separate<3>(src, src_ld, dst, dst_ld, rows);
    case 4: return separate<4>(src, src_ld, dst, dst_ld, rows);
    default: break;
  }
  if constexpr (sizeof(T) == 4) {
    table.transpose4(src, src_ld, dst, dst_ld, rows, cols);
  } else {
    constexpr int64_t kBlock = 8;
    for (int64_t c0 = 0; c0 < cols; c0 += kBlock) {
      const int64_t c1 = std::min(cols, c0 + kBlock);
      for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
        const int64_t r1 = std::min(rows, r0 + kBlock);
        for (int64_t c = c0; c < c1; ++c) {
          for (int64_t r = r0; r < r1; ++r) dst[c * dst_ld + r] = src[r * src_ld + c];
        }
      }
    }
  }
}

int64_t task_count(int64_t units, int64_t bytes, int threads) {
  return std::clamp<int64_t>(bytes / kTaskBytes, 1, std::min<int64_t>(units, 4 * threads));
}

// The last dim of the destination is dense, some other dim (`across`) of the source is.
template <class T>
void run_transposing(const CopyParams& params, Layout layout, int across, ThreadPool& pool) {
  const int last = layout.rank - 1;
  std::rotate(layout.dims + across, layout.dims + across + 1, layout.dims + last);
  const Dim& cols = layout.dims[last - 1];  // dense in the source
  const Dim& rows = layout.dims[last];      // dense in the destination
  const int64_t outer = layout.elements(0, last - 1);
  const int64_t row_blocks = (rows.size + kSquare - 1) / kSquare;
  const int64_t col_blocks = (cols.size + kSquare - 1) / kSquare;
  const int64_t units = outer * row_blocks * col_blocks;
  const int64_t bytes = outer * rows.size * cols.size * static_cast<int64_t>(sizeof(T));
  const int64_t tasks = task_count(units, bytes, pool.threads());
  const CopyTable& table = copy_table(params.isa);
  pool.parallel_for(tasks, [&](int64_t task) {
    for (int64_t unit = units * task / tasks; unit < units * (task + 1) / tasks; ++unit) {
      const int64_t inside = unit % (row_blocks * col_blocks);
      Offsets at = offsets_at(layout, last - 1, unit / (row_blocks * col_blocks));
      const int64_t r = inside / col_blocks * kSquare;
      const int64_t c = inside % col_blocks * kSquare;
      at.src += r * rows.src + c;
      at.dst += r + c * cols.dst;
      transpose_square(static_cast<const T*>(params.src) + at.src, rows.src,
                       static_cast<T*>(params.dst) + at.dst, cols.dst,
                       std::min(kSquare, rows.size - r), std::min(kSquare, cols.size - c), table);
    }
  });
}

template <class T>
void run_by_rows(const CopyParams& params, const Layout& layout, ThreadPool& pool) {
  const int last = layout.rank - 1;
  const Dim& inner = layout.dims[last];
  const int64_t outer = layout.elements(0, last);
  // Long rows are cut, so that one row is shared by the threads too.
  const int64_t piece = std::max<int64_t>(1, kTaskBytes / static_cast<int64_t>(sizeof(T)));
  const int64_t pieces = (inner.size + piece - 1) / piece;
  const int64_t units = outer * pieces;
  const int64_t bytes = outer * inner.size * static_cast<int64_t>(sizeof(T));
  const int64_t tasks = task_count(units, bytes, pool.threads());
  pool.parallel_for(tasks, [&](int64_t task) {
    for (int64_t unit = units * task / tasks; unit < units * (task + 1) / tasks; ++unit) {
      const Offsets at = offsets_at(layout, last, unit / pieces);
      const int64_t first = unit % pieces * piece;
      strided_run(static_cast<const T*>(params.src) + at.src + first * inner.src, inner.src,
                  static_cast<T*>(params.dst) + at.dst + first * inner.dst, inner.dst,
                  std::min(piece, inner.size - first));
    }
  });
}

template <class T>
void run_typed(const CopyParams& params, ThreadPool& pool) {
  const Layout layout = simplify(params);
  const int last = layout.rank - 1;
  if (layout.dims[last].dst == 1 && layout.dims[last].src != 1) {
    for (int d = 0; d < last; ++d) {
      if (layout.dims[d].src == 1 && layout.dims[d].size >= 2 && layout.dims[last].size >= 2) {
        return run_transposing<T>(params, layout, d, pool);
      }
    }
  }
  run_by_rows<T>(params, layout, pool);
}

}  // namespace

void run_copy(const CopyParams& params, ThreadPool& pool) {
  for (int d = 0; d < params.rank; ++d) {
    if (params.dims[d] <= 0) return;
  }
  switch (params.element_bytes) {
    case 1: return run_typed<uint8_t>(params, pool);
    case 2: return run_typed<uint16_t>(params, pool);
    case 4: return run_typed<uint32_t>(params, pool);
    case 8: return run_typed<uint64_t>(params, pool);
    default: return run_typed<Chunk16>(params, pool);
  }
}

CopyParams transpose_params(const void* src, void* dst, int element_bytes,
                            std::span<const int64_t> src_dims, std::span<const int64_t> perm) {
  CopyParams params;
  params.src = src;
  params.dst = dst;
  params.element_bytes = element_bytes;
  params.rank = static_cast<int>(src_dims.size());
  int64_t src_strides[kMaxCopyRank];
  int64_t stride = 1;
  for (int d = params.rank - 1; d >= 0; --d) {
    src_strides[d] = stride;
    stride *= src_dims[d];
  }
  stride = 1;
  for (int d = params.rank - 1; d >= 0; --d) {
    params.dims[d] = src_dims[perm[d]];
    params.src_strides[d] = src_strides[perm[d]];
    params.dst_strides[d] = stride;
    stride *= params.dims[d];
  }
  return params;
}

void fill_elements(void* dst, const void* value, int element_bytes, int64_t n) {
  const auto fill = [&](auto element) {
    using T = decltype(element);
    std::memcpy(&element, value, sizeof(T));
    std::fill_n(static_cast<T*>(dst), n, element);
  };
  switch (element_bytes) {
    case 1: return fill(uint8_t{});
    case 2: return fill(uint16_t{});
    case 4: return fill(uint32_t{});
    case 8: return fill(uint64_t{});
    default: return fill(Chunk16{});
  }
}

}  // namespace planish::cpu
