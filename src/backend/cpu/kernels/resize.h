// SPDX-License-Identifier: Apache-2.0
// Resizing the last two spatial axes of f32 images, channels first or last: nearest and linear.
//
// A ResizePlan holds, for every output row and column, which input ones it reads and with what
// weight: it is made once a pair of shapes. Running allocates nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

// ONNX's coordinate_transformation_mode: where the center of output element x lies in the input.
enum class ResizeCoordinates : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
};

enum class ResizeMode : uint8_t { kNearest, kLinear };

enum class ResizeRounding : uint8_t { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };

struct ResizeAxis {
  int64_t in = 1;
  int64_t out = 1;
  double scale = 1;  // as the model says it; out / in need not be the same
};

class ResizePlan {
 public:
  // Throws invalid_shape for an empty input axis or one of 2^31 elements or more, invalid_value for
  // a scale that is not positive and finite.
  ResizePlan(ResizeAxis rows, ResizeAxis cols, ResizeMode mode, ResizeCoordinates coordinates,
             ResizeRounding rounding = ResizeRounding::kRoundPreferFloor);

  // Output element i blends inputs first[i] and second[i]: first + weight (second - first).
  struct Taps {
    std::vector<int32_t> first;
    std::vector<int32_t> second;
    std::vector<float> weight;
  };

  ResizeMode mode() const { return mode_; }
  const ResizeAxis& row_axis() const { return row_axis_; }
  const ResizeAxis& col_axis() const { return col_axis_; }
  const Taps& rows() const { return rows_; }
  const Taps& cols() const { return cols_; }

 private:
  ResizeMode mode_;
  ResizeAxis row_axis_;
  ResizeAxis col_axis_;
  Taps rows_;
  Taps cols_;
};

struct ResizeParams {
  const ResizePlan* plan = nullptr;
  const float* src = nullptr;  // [batch, channels, rows, cols] or [batch, rows, cols, channels]
  float* dst = nullptr;
  int64_t batch = 1;
  int64_t channels = 1;
  bool channels_last = false;
  Isa isa = best_isa();
};

void run_resize(const ResizeParams& params, ThreadPool& pool);

// By instruction set.

// A plan's taps of one axis without their containers.
struct ResizeTaps {
  const int32_t* first;
  const int32_t* second;
  const float* weight;
};

struct ResizeTable {
  // One output row of one plane, from the two input rows that it blends.
  void (*plane_row)(const ResizeTaps& cols, int64_t out_cols, const float* top, const float* bottom,
                    float weight, float* dst);
  // One output row of interleaved channels.
  void (*pixel_row)(const ResizeTaps& cols, int64_t out_cols, int64_t channels, const float* top,
                    const float* bottom, float weight, float* dst);
};

namespace plain {
extern const ResizeTable kResize;
}
namespace avx2 {
extern const ResizeTable kResize;
}
namespace avx512 {
extern const ResizeTable kResize;
}

inline const ResizeTable& resize_table(Isa isa) {
  return by_isa(isa, plain::kResize, avx2::kResize, avx512::kResize);
}

}  // namespace planish::cpu
