// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/byte_product.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/cpu/kernels/partition.h"
#include "base/checked.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

constexpr const char* kScratch = "scratch memory of a product of bytes";
// Copied rows and sums of one task, which shall stay in the second-level cache.
constexpr int64_t kChunkBytes = 128 * 1024;
constexpr int64_t kMostChunkTiles = 8;
constexpr int64_t kGroupBytes = 4;

const ByteKernels& kernels_of(Isa isa) {
  return by_isa(isa, plain::kByteKernels, avx2::kByteKernels, avx512::kByteKernels);
}

int64_t element_bytes(ByteFormat format) { return format == ByteFormat::bytes ? 1 : 2; }

int64_t taps(const Conv& c) { return c.kernel[0] * c.kernel[1] * c.kernel[2]; }

// Bytes of a copied row: whole groups.
int64_t row_bytes(ByteFormat format, const Conv& c) {
  const int64_t k = checked_mul(taps(c), c.in_channels, kScratch);
  return round_up(checked_mul(k, element_bytes(format), kScratch), kGroupBytes);
}

int64_t panel_width(const ByteKernels& kernels, int64_t cols) {
  return cols <= kernels.lanes ? kernels.lanes : kernels.panel;
}

int64_t packed_cols(const ByteKernels& kernels, int64_t n) {
  const int64_t rest = n % kernels.panel;
  return n - rest + (rest == 0 ? 0 : panel_width(kernels, rest));
}

// A matrix of bytes that is in the format as it lies in memory.
bool reads_in_place(const ByteProduct& p) {
  const Conv& c = p.geometry;
  if (p.format != ByteFormat::bytes || p.x_signed || c.in_channels % kGroupBytes != 0) return false;
  int64_t pixels = 1;
  for (int i = 0; i < 3; ++i) {
    if (c.kernel[i] != 1 || c.stride[i] != 1 || c.pad[i] != 0 || c.in[i] != c.out[i]) return false;
    pixels *= c.out[i];
  }
  return c.batch == 1 || c.x_batch == pixels * c.x_pixel;
}

struct Slot {
  int64_t chunk;  // rows
  int64_t a_bytes, bytes;
};

Slot slot_of(const ByteKernels& kernels, const ByteProduct& p) {
  Slot s;
  const int64_t row = row_bytes(p.format, p.geometry);
  const int64_t sums =
      checked_mul(round_up(p.geometry.out_channels, kernels.panel), int64_t{4}, kScratch);
  const int64_t tiles = std::clamp<int64_t>(
      kChunkBytes / (kernels.max_rows * checked_add(row, sums, kScratch)), 1, kMostChunkTiles);
  s.chunk = tiles * kernels.max_rows;
  s.a_bytes = round_up(checked_mul(s.chunk, row, kScratch), 64);
  s.bytes = checked_add(s.a_bytes, round_up(checked_mul(s.chunk, sums, kScratch), 64), kScratch);
  return s;
}

int64_t offsets_bytes(const ByteProduct& p) { return round_up(p.geometry.out_channels * 4, 64); }

class Run {
 public:
  Run(Isa isa, const ByteProduct& p, void* scratch, ThreadPool& pool)
      : p_(p),
        c_(p.geometry),
        kernels_(kernels_of(isa)),
        pool_(pool),
        slot_(slot_of(kernels_, p)),
        row_bytes_(row_bytes(p.format, c_)),
        in_place_(reads_in_place(p)),
        offsets_(static_cast<int32_t*>(scratch)),
        slots_(static_cast<uint8_t*>(scratch) + offsets_bytes(p)) {}

  void run() {
    const int64_t pixels = c_.batch * c_.out[0] * c_.out[1] * c_.out[2];
    if (pixels == 0 || c_.out_channels == 0) return;
    // Signed bytes are read as unsigned ones that are 128 larger.
    x_zero_ = p_.x_zero + (p_.format == ByteFormat::bytes && p_.x_signed ? 128 : 0);
    if (p_.format == ByteFormat::bytes)
      for (int64_t n = 0; n < c_.out_channels; ++n)
        offsets_[n] = static_cast<int32_t>(static_cast<uint32_t>(p_.weight_sums[n]) *
                                           static_cast<uint32_t>(x_zero_));
    const int64_t tiles = divide_up(pixels, kernels_.max_rows);
    const int64_t panels = divide_up(c_.out_channels, kernels_.panel);
    const auto k = static_cast<double>(row_bytes_);
    const double m = static_cast<double>(pixels), n = static_cast<double>(c_.out_channels);
    const Grid grid =
        choose_grid(tiles, panels, m * k, n * k, m * n * k / 4, wanted_parts(pool_.threads()));
    pool_.parallel_for(grid.parts(), [&](int64_t task, int slot) {
      const auto row = [&](int64_t i) {
        return std::min(part_begin(tiles, grid.rows, i) * kernels_.max_rows, pixels);
      };
      const auto col = [&](int64_t i) {
        return std::min(part_begin(panels, grid.cols, i) * kernels_.panel, c_.out_channels);
      };
      const int64_t last = row(task / grid.cols + 1);
      const int64_t col0 = col(task % grid.cols), col1 = col(task % grid.cols + 1);
      for (int64_t first = row(task / grid.cols); first < last; first += slot_.chunk)
        chunk(first, std::min(first + slot_.chunk, last), col0, col1, slots_ + slot * slot_.bytes);
    });
  }

 private:
  void chunk(int64_t first, int64_t last, int64_t col0, int64_t col1, uint8_t* memory) const {
    ByteBlock g{};
    g.groups = row_bytes_ / kGroupBytes;
    if (in_place_) {
      g.a = p_.x + first * c_.x_pixel;
      g.a_row = c_.x_pixel;
    } else {
      for (int64_t i = first; i < last; ++i) copy_window(i, memory + (i - first) * row_bytes_);
      g.a = memory;
      g.a_row = row_bytes_;
    }
    g.b = static_cast<const uint8_t*>(p_.weights) + col0 * row_bytes_;
    g.c = reinterpret_cast<int32_t*>(memory + slot_.a_bytes);
    g.c_row = round_up(col1 - col0, kernels_.panel);
    g.rows = last - first;
    g.cols = col1 - col0;
    (p_.format == ByteFormat::bytes ? kernels_.block_bytes : kernels_.block_pairs)(g);
    complete(g, first, col0);
  }

  void complete(const ByteBlock& g, int64_t row0, int64_t col0) const {
    ByteFinish f{};
    f.sums = g.c;
    f.sums_row = g.c_row;
    f.rows = g.rows;
    f.cols = g.cols;
    f.offsets = p_.format == ByteFormat::bytes ? offsets_ + col0 : nullptr;
    f.scale = p_.scale == nullptr ? nullptr : p_.scale + col0;
    f.epilogue = p_.epilogue;
    if (f.epilogue.bias != nullptr) f.epilogue.bias += col0;
    if (f.epilogue.residual != nullptr)
      f.epilogue.residual += row0 * f.epilogue.residual_row + col0;
    f.row0 = row0;
    f.col0 = col0;
    f.result = p_.result;
    f.y_scale = p_.y_scale;
    f.y_zero = p_.y_zero;
    const bool bytes = p_.result == ByteResult::uint8 || p_.result == ByteResult::int8;
    f.y_row = c_.out_channels;
    f.y = static_cast<uint8_t*>(p_.y) + (row0 * c_.out_channels + col0) * (bytes ? 1 : 4);
    kernels_.finish(f);
  }

  // n elements of x, or of the margin (from = null), in the format; what follows them.
  uint8_t* put(const uint8_t* from, int64_t n, uint8_t* to) const {
    if (p_.format == ByteFormat::bytes) {
      if (from == nullptr)
        std::memset(to, x_zero_, static_cast<size_t>(n));
      else
        kernels_.copy(from, n, p_.x_signed, to);
      return to + n;
    }
    auto* wide = reinterpret_cast<int16_t*>(to);
    if (from == nullptr)
      std::memset(wide, 0, static_cast<size_t>(2 * n));
    else
      kernels_.widen(from, n, p_.x_signed, p_.x_zero, wide);
    return to + 2 * n;
  }

  void copy_window(int64_t pixel, uint8_t* to) const {
    uint8_t* const end = to + row_bytes_;
    const int64_t w = pixel % c_.out[2] * c_.stride[2] - c_.pad[2];
    const int64_t h = pixel / c_.out[2] % c_.out[1] * c_.stride[1] - c_.pad[1];
    const int64_t plane = pixel / c_.out[2] / c_.out[1];
    const int64_t d = plane % c_.out[0] * c_.stride[0] - c_.pad[0];
    const uint8_t* image = p_.x + plane / c_.out[0] * c_.x_batch;
    for (int64_t kd = 0; kd < c_.kernel[0]; ++kd) {
      const int64_t z = d + kd * c_.dilation[0];
      for (int64_t kh = 0; kh < c_.kernel[1]; ++kh) {
        const int64_t y = h + kh * c_.dilation[1];
        const bool inside = z >= 0 && z < c_.in[0] && y >= 0 && y < c_.in[1];
        const uint8_t* row = inside ? image + (z * c_.in[1] + y) * c_.in[2] * c_.x_pixel : nullptr;
        to = copy_row(row, w, to);
      }
    }
    std::memset(to, 0, static_cast<size_t>(end - to));
  }

  // The kernel's width from position `w` of a row on; null: outside.
  uint8_t* copy_row(const uint8_t* row, int64_t w, uint8_t* to) const {
    const int64_t width = c_.kernel[2], channels = c_.in_channels;
    if (row == nullptr) return put(nullptr, width * channels, to);
    const bool dense = c_.dilation[2] == 1 && c_.x_pixel == channels;
    if (dense && w >= 0 && w + width <= c_.in[2])
      return put(row + w * channels, width * channels, to);
    for (int64_t k = 0; k < width; ++k) {
      const int64_t x = w + k * c_.dilation[2];
      to = put(x >= 0 && x < c_.in[2] ? row + x * c_.x_pixel : nullptr, channels, to);
    }
    return to;
  }

  const ByteProduct& p_;
  const Conv& c_;
  const ByteKernels& kernels_;
  ThreadPool& pool_;
  const Slot slot_;
  const int64_t row_bytes_;
  const bool in_place_;
  int32_t* const offsets_;
  uint8_t* const slots_;
  int32_t x_zero_ = 0;
};

}  // namespace

ByteFormat choose_byte_format(Isa isa, bool zero_weights) {
  return isa == Isa::avx512 && zero_weights && has_vnni() ? ByteFormat::bytes : ByteFormat::pairs;
}

int64_t byte_packed_size(Isa isa, ByteFormat format, const Conv& conv) {
  return checked_mul(packed_cols(kernels_of(isa), conv.out_channels), row_bytes(format, conv),
                     kScratch);
}

void byte_pack(Isa isa, ByteFormat format, const Conv& conv, const int16_t* weights, void* packed) {
  const ByteKernels& kernels = kernels_of(isa);
  const int64_t k = taps(conv) * conv.in_channels, n = conv.out_channels;
  const int64_t each = kGroupBytes / element_bytes(format);
  const int64_t groups = divide_up(k, each);
  auto* out = static_cast<uint8_t*>(packed);
  for (int64_t col = 0; col < n; col += kernels.panel) {
    const int64_t width = panel_width(kernels, std::min(kernels.panel, n - col));
    for (int64_t i = 0; i < groups * each; ++i) {
      const int64_t tap = i / conv.in_channels, channel = i % conv.in_channels;
      for (int64_t j = 0; j < width; ++j) {
        const bool filled = i < k && col + j < n;
        const int16_t v = filled
                              ? weights[((col + j) * conv.in_channels + channel) * taps(conv) + tap]
                              : int16_t{0};
        uint8_t* to = out + (i / each * width + j) * kGroupBytes + i % each * element_bytes(format);
        if (format == ByteFormat::bytes)
          *to = static_cast<uint8_t>(v);
        else
          std::memcpy(to, &v, sizeof v);
      }
    }
    out += groups * width * kGroupBytes;
  }
}

int64_t byte_scratch_bytes(Isa isa, const ByteProduct& p, int threads) {
  return checked_add(offsets_bytes(p),
                     checked_mul(slot_of(kernels_of(isa), p).bytes, threads, kScratch), kScratch);
}

void run_byte_product(Isa isa, const ByteProduct& p, void* scratch, ThreadPool& pool) {
  Run(isa, p, scratch, pool).run();
}

}  // namespace planish::cpu
