// SPDX-License-Identifier: Apache-2.0
// Padding in one pass: every place of the output shows an element of the input or the fill value.
//
// Elements are opaque. What an output place shows is a sum of one offset an axis, so constant,
// reflecting, repeating and wrapping pads, and cuts, are the same walk.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/thread_pool.h"

namespace planish::cpu {

enum class PadMode : uint8_t { kConstant, kReflect, kEdge, kWrap };

// Whether `name` is one of ONNX's: constant, reflect, edge, wrap.
bool find_pad_mode(std::string_view name, PadMode* mode);

// A padding of known sizes: what bind() prepares.
class PadLayout {
 public:
  PadLayout() = default;
  // Pads may be negative; after[i] follows from `out`. With a mode other than kConstant no axis of
  // a non-empty output may be empty in the input.
  PadLayout(PadMode mode, std::span<const int64_t> in, std::span<const int64_t> out,
            std::span<const int64_t> before, int element_bytes);

  // `fill` is one element; read with kConstant only.
  void run(const void* src, void* dst, const void* fill, ThreadPool& pool) const;

 private:
  struct Axis {
    int64_t size = 1;             // in the output
    int64_t in = 1;               // in the input
    int64_t before = 0;           // places ahead of the input's first
    int64_t stride = 0;           // bytes from place to place of the input
    int64_t first = 0, last = 0;  // places [first, last) show neighbours in order
  };
  // Offset of what a place of an axis shows in bytes; -1: filled.
  int64_t from(const Axis& axis, int64_t place) const;
  void run_row(const std::byte* src, int64_t base, std::byte* dst, const void* fill) const;
  void place(const std::byte* src, int64_t from, std::byte* dst, const void* fill) const;

  PadMode mode_ = PadMode::kConstant;
  std::vector<Axis> axes_;  // the last one is a row of blocks
  int64_t rows_ = 0;
  int64_t block_ = 0;  // bytes that lie together in both tensors
  int element_bytes_ = 0;
};

}  // namespace planish::cpu
