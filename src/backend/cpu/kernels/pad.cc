// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/pad.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/kernels/copy.h"

namespace planish::cpu {
namespace {

constexpr int64_t kTaskBytes = 64 * 1024;

constexpr std::string_view kNames[] = {"constant", "reflect", "edge", "wrap"};

int64_t positive_mod(int64_t a, int64_t b) { return (a % b + b) % b; }

// The element of an axis of `size` that place `at`, counted from the axis' start, shows; -1: none.
int64_t source_place(PadMode mode, int64_t at, int64_t size) {
  if (at >= 0 && at < size) return at;
  switch (mode) {
    case PadMode::kConstant: return -1;
    case PadMode::kEdge: return std::clamp<int64_t>(at, 0, size - 1);
    case PadMode::kWrap: return positive_mod(at, size);
    case PadMode::kReflect: break;
  }
  if (size == 1) return 0;
  const int64_t place = positive_mod(at, 2 * (size - 1));
  return place < size ? place : 2 * (size - 1) - place;
}

}  // namespace

bool find_pad_mode(std::string_view name, PadMode* mode) {
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name) {
      *mode = static_cast<PadMode>(i);
      return true;
    }
  return false;
}

PadLayout::PadLayout(PadMode mode, std::span<const int64_t> in, std::span<const int64_t> out,
                     std::span<const int64_t> before, int element_bytes)
    : mode_(mode), block_(element_bytes), element_bytes_(element_bytes) {
  const auto is_kept = [&](size_t i) { return before[i] == 0 && in[i] == out[i]; };
  size_t rank = in.size();
  for (; rank > 0 && is_kept(rank - 1); --rank) block_ *= in[rank - 1];
  // From the innermost axis outwards; neighbours that are both kept are one.
  int64_t stride = block_;
  bool was_kept = false;
  for (size_t i = rank; i-- > 0;) {
    const bool kept = is_kept(i);
    if (kept && was_kept) {
      axes_.back().size *= out[i];
      axes_.back().in = axes_.back().last = axes_.back().size;
    } else {
      Axis& axis = axes_.emplace_back();
      axis = {.size = out[i], .in = in[i], .before = before[i], .stride = stride};
      axis.first = std::clamp<int64_t>(before[i], 0, axis.size);
      axis.last = std::clamp<int64_t>(before[i] + in[i], axis.first, axis.size);
    }
    stride *= in[i];
    was_kept = kept;
  }
  std::reverse(axes_.begin(), axes_.end());
  if (axes_.empty()) axes_.push_back({.last = 1});
  rows_ = 1;
  for (size_t i = 0; i + 1 < axes_.size(); ++i) rows_ *= axes_[i].size;
}

int64_t PadLayout::from(const Axis& axis, int64_t place) const {
  const int64_t shown = source_place(mode_, place - axis.before, axis.in);
  return shown < 0 ? -1 : shown * axis.stride;
}

void PadLayout::place(const std::byte* src, int64_t from, std::byte* dst, const void* fill) const {
  if (from < 0) {
    fill_elements(dst, fill, element_bytes_, block_ / element_bytes_);
  } else if (block_ == sizeof(float)) {
    std::memcpy(dst, src + from, sizeof(float));
  } else {
    std::memcpy(dst, src + from, static_cast<size_t>(block_));
  }
}

void PadLayout::run_row(const std::byte* src, int64_t base, std::byte* dst,
                        const void* fill) const {
  const Axis& axis = axes_.back();
  if (base < 0)
    return fill_elements(dst, fill, element_bytes_, axis.size * block_ / element_bytes_);
  const auto one = [&](int64_t k) {
    const int64_t shown = from(axis, k);
    place(src, shown < 0 ? -1 : base + shown, dst + k * block_, fill);
  };
  for (int64_t k = 0; k < axis.first; ++k) one(k);
  if (axis.last > axis.first)
    std::memcpy(dst + axis.first * block_, src + base + from(axis, axis.first),
                static_cast<size_t>((axis.last - axis.first) * block_));
  for (int64_t k = axis.last; k < axis.size; ++k) one(k);
}

void PadLayout::run(const void* src, void* dst, const void* fill, ThreadPool& pool) const {
  const int64_t row_bytes = axes_.back().size * block_;
  if (rows_ == 0 || row_bytes == 0) return;
  const int64_t tasks = std::clamp<int64_t>(rows_ * row_bytes / kTaskBytes, 1,
                                            std::min<int64_t>(rows_, 4 * pool.threads()));
  pool.parallel_for(tasks, [&](int64_t task) {
    const int64_t end = rows_ * (task + 1) / tasks;
    for (int64_t row = rows_ * task / tasks; row < end; ++row) {
      int64_t base = 0, rest = row;
      for (size_t i = axes_.size() - 1; i-- > 0 && base >= 0;) {
        const int64_t shown = from(axes_[i], rest % axes_[i].size);
        rest /= axes_[i].size;
        base = shown < 0 ? -1 : base + shown;
      }
      run_row(static_cast<const std::byte*>(src), base,
              static_cast<std::byte*>(dst) + row * row_bytes, fill);
    }
  });
}

}  // namespace planish::cpu
