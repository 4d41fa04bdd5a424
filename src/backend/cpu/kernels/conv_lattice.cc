// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/conv_lattice.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/cpu/kernels/gemm.h"
#include "backend/cpu/kernels/gemm_block.h"
#include "backend/cpu/kernels/partition.h"
#include "base/checked.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

// The copied rows of x that one task works on shall stay in the second-level cache.
constexpr int64_t kBandFloats = 64 * 1024;

constexpr int64_t kLineFloats = 16;

int64_t pixels(const int64_t (&size)[3]) { return size[0] * size[1] * size[2]; }

// How x is read: in place, or from a band (copied rows with margins, all channels of a pixel
// together).
struct Access {
  bool band = false;
  int64_t pixel = 0;      // from one pixel to the next
  int64_t row = 0;        // from one row of pixels to the next
  int64_t plane = 0;      // from one plane of rows to the next
  int64_t band_rows = 0;  // rows of output pixels in a band
  int64_t band_floats = 0;
};

int64_t product(std::initializer_list<int64_t> factors) {
  int64_t result = 1;
  for (const int64_t f : factors)
    result = checked_mul(result, f, "scratch memory of a convolution");
  return result;
}

Access choose_access(const Conv& c, const Lattice& lattice) {
  const LatticeAxis& depth = lattice.axis[0];
  const LatticeAxis& height = lattice.axis[1];
  const LatticeAxis& width = lattice.axis[2];
  Access access;
  access.band_rows = height.count;
  if (lattice.taps() == 0) return access;
  if (!c.x_planar && depth.inside() && height.inside() && width.inside()) {
    access.pixel = c.x_pixel;
    access.row = c.in[2] * c.x_pixel;
    access.plane = c.in[1] * access.row;
    return access;
  }
  access.band = true;
  access.pixel = c.in_channels;
  access.row = product({width.span(width.count), c.in_channels});
  // Most rows whose band fits, found from the size of one row's band and of each further row's.
  const int64_t one = product({access.row, height.span(1), depth.taps});
  const int64_t further = product({access.row, height.in_step, depth.taps});
  const int64_t fit = one >= kBandFloats ? 1 : 1 + (kBandFloats - one) / further;
  access.band_rows = std::min(height.count, fit);
  access.plane = product({access.row, height.span(access.band_rows)});
  access.band_floats = round_up(product({access.plane, depth.taps}), kLineFloats);
  return access;
}

// Taps along the width that lie beside each other in memory are one segment.
bool taps_adjoin(const Conv& c, const Lattice& lattice, const Access& access) {
  return lattice.axis[2].tap_step == 1 && access.pixel == c.in_channels / c.groups;
}

int64_t segment_count(const Conv& c, const Lattice& lattice, const Access& access) {
  if (lattice.taps() == 0) return 0;
  const int64_t rows = lattice.axis[0].taps * lattice.axis[1].taps;
  return taps_adjoin(c, lattice, access) ? rows : rows * lattice.axis[2].taps;
}

void list_segments(const Conv& c, const Lattice& lattice, const Access& access, Segment* out) {
  if (lattice.taps() == 0) return;
  const LatticeAxis& width = lattice.axis[2];
  const int64_t channels = c.in_channels / c.groups;
  // Planes of a band are those of the taps, one after the other.
  const int64_t plane_step = access.band ? access.plane : access.plane * lattice.axis[0].tap_step;
  for (int64_t d = 0; d < lattice.axis[0].taps; ++d) {
    for (int64_t h = 0; h < lattice.axis[1].taps; ++h) {
      const int64_t base = d * plane_step + h * lattice.axis[1].tap_step * access.row;
      if (taps_adjoin(c, lattice, access)) {
        *out++ = {base, width.taps * channels};
      } else {
        for (int64_t w = 0; w < width.taps; ++w) {
          *out++ = {base + w * width.tap_step * access.pixel, channels};
        }
      }
    }
  }
}

// Memory of one thread: which band it holds, then the band.
struct alignas(64) Slot {
  int64_t band;
};

int64_t slot_bytes(const Access& access) {
  return static_cast<int64_t>(sizeof(Slot)) + access.band_floats * 4;
}

int64_t segment_bytes(int64_t count) {
  return round_up(count * static_cast<int64_t>(sizeof(Segment)), 64);
}

// Copies row `h` of plane `d` of an image, positions first to first + span - 1, with zeros outside.
void copy_row(const Conv& c, const float* image, int64_t d, int64_t h, int64_t first, int64_t span,
              float* out) {
  const int64_t channels = c.in_channels;
  if (d < 0 || d >= c.in[0] || h < 0 || h >= c.in[1]) {
    std::fill_n(out, span * channels, 0.0f);
    return;
  }
  const int64_t begin = std::clamp<int64_t>(-first, 0, span);
  const int64_t end = std::clamp<int64_t>(c.in[2] - first, begin, span);
  std::fill_n(out, begin * channels, 0.0f);
  std::fill_n(out + end * channels, (span - end) * channels, 0.0f);
  const int64_t row = (d * c.in[1] + h) * c.in[2] + first + begin;
  out += begin * channels;
  const int64_t count = end - begin;
  if (c.x_planar) {
    const int64_t size = pixels(c.in);
    for (int64_t i = 0; i < channels; ++i) {
      const float* in = image + i * size + row;
      for (int64_t j = 0; j < count; ++j) out[j * channels + i] = in[j];
    }
  } else if (c.x_pixel == channels) {
    std::copy_n(image + row * channels, count * channels, out);
  } else {
    const float* in = image + row * c.x_pixel;
    for (int64_t j = 0; j < count; ++j, in += c.x_pixel, out += channels) {
      std::copy_n(in, channels, out);
    }
  }
}

class Run {
 public:
  Run(Isa isa, const Conv& conv, const Lattice& lattice, const float* packed, void* scratch,
      ThreadPool& pool)
      : c_(conv),
        lattice_(lattice),
        kernels_(gemm_kernels(isa)),
        packed_(packed),
        pool_(pool),
        access_(choose_access(conv, lattice)),
        segment_count_(segment_count(conv, lattice, access_)),
        segments_(segment_count_ == 0 ? nullptr : static_cast<Segment*>(scratch)),
        slots_(static_cast<char*>(scratch) + segment_bytes(segment_count_)),
        group_out_(conv.out_channels / conv.groups),
        k_(lattice.taps() * (conv.in_channels / conv.groups)),
        group_floats_(gemm_packed_floats(isa, k_, group_out_)) {}

  void run() const {
    const int64_t slices = c_.batch * lattice_.axis[0].count;
    const int64_t rows = lattice_.axis[1].count, width = lattice_.axis[2].count;
    if (slices == 0 || rows == 0 || width == 0) return;
    if (segments_ != nullptr) list_segments(c_, lattice_, access_, segments_);
    if (access_.band) {
      for (int64_t i = 0; i < pool_.threads(); ++i) slot(static_cast<int>(i)).band = -1;
    }
    const int64_t column_units = c_.groups > 1 ? c_.groups : divide_up(group_out_, kernels_.panel);
    const double all_pixels = static_cast<double>(slices * rows) * static_cast<double>(width);
    const double weights = static_cast<double>(k_) * static_cast<double>(c_.out_channels);
    const Grid grid =
        choose_grid(slices * rows, column_units, all_pixels * static_cast<double>(c_.in_channels),
                    weights, all_pixels * weights, wanted_parts(pool_.threads()));
    const int64_t row_parts = divide_up(grid.rows, slices);
    const int64_t band_rows = std::min(access_.band_rows, divide_up(rows, row_parts));
    const int64_t bands = divide_up(rows, band_rows);
    pool_.parallel_for(slices * bands * grid.cols, [&](int64_t task, int slot) {
      const int64_t band = task / grid.cols, part = task % grid.cols;
      Task t;
      t.slice = band / bands;
      t.band = band;
      t.row0 = part_begin(rows, bands, band % bands);
      t.row1 = part_begin(rows, bands, band % bands + 1);
      t.unit0 = part_begin(column_units, grid.cols, part);
      t.unit1 = part_begin(column_units, grid.cols, part + 1);
      work(t, slot);
    });
  }

 private:
  struct Task {
    int64_t slice;         // image and plane of output pixels
    int64_t band;          // number of (slice, rows)
    int64_t row0, row1;    // rows of output pixels
    int64_t unit0, unit1;  // groups, or panels of the one group
  };

  Slot& slot(int i) const { return *reinterpret_cast<Slot*>(slots_ + i * slot_bytes(access_)); }

  void work(const Task& t, int slot_index) const {
    const LatticeAxis& height = lattice_.axis[1];
    const LatticeAxis& width = lattice_.axis[2];
    const int64_t image = t.slice / lattice_.axis[0].count;
    const int64_t plane = t.slice % lattice_.axis[0].count;
    const float* x = c_.x + image * c_.x_batch;
    const float* a = x;
    if (access_.band) {
      Slot& s = slot(slot_index);
      a = reinterpret_cast<const float*>(&s + 1);
      if (s.band != t.band) {
        fill_band(x, plane, t, reinterpret_cast<float*>(&s + 1));
        s.band = t.band;
      }
    } else if (segment_count_ > 0) {
      a += (lattice_.axis[0].first + plane * lattice_.axis[0].in_step) * access_.plane +
           (height.first + t.row0 * height.in_step) * access_.row + width.first * access_.pixel;
    }
    GemmBlock block;
    block.a = a;
    block.a_run = height.in_step * access_.row;
    block.a_row = width.in_step * access_.pixel;
    block.segments = segments_;
    block.segment_count = segment_count_;
    block.b_panel = kernels_.panel * k_;
    block.runs = t.row1 - t.row0;
    block.rows = width.count;
    place_output(t, image, plane, block);
    if (c_.groups == 1) {
      const int64_t col0 = t.unit0 * kernels_.panel;
      const int64_t col1 = std::min(t.unit1 * kernels_.panel, group_out_);
      columns(block, 0, packed_ + col0 * k_, col0, col1);
    } else {
      for (int64_t g = t.unit0; g < t.unit1; ++g) {
        columns(block, g * (c_.in_channels / c_.groups), packed_ + g * group_floats_,
                g * group_out_, (g + 1) * group_out_);
      }
    }
  }

  void place_output(const Task& t, int64_t image, int64_t plane, GemmBlock& block) const {
    const LatticeAxis* axis = lattice_.axis;
    const int64_t d = axis[0].out_first + plane * axis[0].out_step;
    const int64_t h = axis[1].out_first + t.row0 * axis[1].out_step;
    const int64_t pixel = (d * c_.out[1] + h) * c_.out[2] + axis[2].out_first;
    const int64_t run = axis[1].out_step * c_.out[2];
    block.c = c_.y + image * c_.y_batch + pixel * c_.y_pixel;
    block.c_run = run * c_.y_pixel;
    block.c_row = axis[2].out_step * c_.y_pixel;
    block.row0 = image * pixels(c_.out) + pixel;
    block.row_run = run;
    Epilogue& e = block.epilogue = c_.epilogue;
    e.row_bias = nullptr;
    if (e.residual != nullptr) {
      e.residual += image * c_.residual_batch + pixel * e.residual_row;
      block.residual_run = run * e.residual_row;
      e.residual_row *= axis[2].out_step;
    }
  }

  void columns(GemmBlock block, int64_t channel, const float* b, int64_t col0, int64_t col1) const {
    block.a += channel;
    block.b = b;
    block.c += col0;
    block.cols = col1 - col0;
    block.col0 = col0;
    if (block.epilogue.bias != nullptr) block.epilogue.bias += col0;
    if (block.epilogue.residual != nullptr) block.epilogue.residual += col0;
    kernels_.block(block);
  }

  void fill_band(const float* x, int64_t plane, const Task& t, float* out) const {
    const LatticeAxis& depth = lattice_.axis[0];
    const LatticeAxis& height = lattice_.axis[1];
    const LatticeAxis& width = lattice_.axis[2];
    const int64_t rows = height.span(t.row1 - t.row0);
    for (int64_t z = 0; z < depth.taps; ++z) {
      const int64_t d = depth.first + plane * depth.in_step + z * depth.tap_step;
      for (int64_t i = 0; i < rows; ++i) {
        copy_row(c_, x, d, height.first + t.row0 * height.in_step + i, width.first,
                 width.span(width.count), out + z * access_.plane + i * access_.row);
      }
    }
  }

  const Conv& c_;
  const Lattice& lattice_;
  const GemmKernels& kernels_;
  const float* const packed_;
  ThreadPool& pool_;
  const Access access_;
  const int64_t segment_count_;
  Segment* const segments_;
  char* const slots_;
  const int64_t group_out_;
  const int64_t k_;
  const int64_t group_floats_;
};

}  // namespace

int64_t LatticeAxis::span(int64_t n) const { return (n - 1) * in_step + (taps - 1) * tap_step + 1; }

int64_t lattice_packed_floats(Isa isa, const Conv& conv, const Lattice& lattice) {
  const int64_t k = lattice.taps() * (conv.in_channels / conv.groups);
  return conv.groups * gemm_packed_floats(isa, k, conv.out_channels / conv.groups);
}

void lattice_pack(Isa isa, const Conv& conv, const Lattice& lattice, const WeightStrides& strides,
                  const float* weights, float* packed) {
  const int64_t in = conv.in_channels / conv.groups, out = conv.out_channels / conv.groups;
  const int64_t k = lattice.taps() * in;
  if (k == 0) return;
  const LatticeAxis* axis = lattice.axis;
  std::vector<float> rows(static_cast<size_t>(k) * static_cast<size_t>(out));
  for (int64_t g = 0; g < conv.groups; ++g) {
    float* row = rows.data();
    for (int64_t tap = 0; tap < lattice.taps(); ++tap) {
      const int64_t t[3] = {tap / axis[2].taps / axis[1].taps, tap / axis[2].taps % axis[1].taps,
                            tap % axis[2].taps};
      const float* from = weights + g * strides.group;
      for (int i = 0; i < 3; ++i) {
        from += (axis[i].kernel_first + t[i] * axis[i].kernel_step) * strides.kernel[i];
      }
      for (int64_t c = 0; c < in; ++c, row += out) {
        for (int64_t o = 0; o < out; ++o) {
          row[o] = from[c * strides.in_channel + o * strides.out_channel];
        }
      }
    }
    gemm_pack(isa, rows.data(), out, 1, k, out, packed + g * gemm_packed_floats(isa, k, out));
  }
}

int64_t lattice_scratch_bytes(const Conv& conv, const Lattice& lattice, int threads) {
  const Access access = choose_access(conv, lattice);
  const int64_t segments = segment_bytes(segment_count(conv, lattice, access));
  if (!access.band) return segments;
  return checked_add(segments, product({slot_bytes(access), threads}),
                     "scratch memory of a convolution");
}

void lattice_run(Isa isa, const Conv& conv, const Lattice& lattice, const float* packed,
                 void* scratch, ThreadPool& pool) {
  Run(isa, conv, lattice, packed, scratch, pool).run();
}

}  // namespace planish::cpu
