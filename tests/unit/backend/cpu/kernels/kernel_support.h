// SPDX-License-Identifier: Apache-2.0
// What kernel tests share: memory that faults past its end, numbers that repeat, ulps.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "backend/cpu/kernels/isa.h"

namespace planish::cpu::testing {

// An array whose last byte is followed by an unreadable page (kEnd), or whose first byte is
// preceded by one (kStart), so that a kernel that strays by one byte dies.
template <class T>
class Guarded {
 public:
  enum class Side { kEnd, kStart };

  explicit Guarded(size_t count, Side side = Side::kEnd) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (count * sizeof(T) + page - 1) / page * page;
    length_ = body + 2 * page;
    base_ = static_cast<char*>(
        mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_, page, PROT_NONE);
    mprotect(base_ + page + body, page, PROT_NONE);
    char* start = base_ + page + (side == Side::kEnd ? body - count * sizeof(T) : 0);
    data_ = reinterpret_cast<T*>(start);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  Guarded(Guarded&& other) noexcept
      : base_(other.base_), length_(other.length_), data_(other.data_), count_(other.count_) {
    other.base_ = nullptr;
  }
  ~Guarded() {
    if (base_ != nullptr) munmap(base_, length_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }

 private:
  char* base_;
  size_t length_;
  T* data_;
  size_t count_;
};

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint64_t next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return state_ >> 33;
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  // Uniform in [low, high).
  float real(float low = -1, float high = 1) {
    return low + (high - low) * static_cast<float>(next() & 0xffffff) / 16777216.0f;
  }

 private:
  uint64_t state_;
};

inline std::vector<Isa> isas_here() {
  std::vector<Isa> isas;
  for (Isa isa : kAllIsas) {
    if (isa_supported(isa)) isas.push_back(isa);
  }
  return isas;
}

// Distance in units in the last place of `want` rounded to f32; infinite where one is NaN and the
// other not, or the infinities differ.
inline double ulps(float got, double want) {
  const auto rounded = static_cast<float>(want);
  if (std::isnan(rounded) || std::isnan(got)) {
    return std::isnan(rounded) && std::isnan(got) ? 0 : HUGE_VAL;
  }
  if (got == rounded) return 0;
  const float largest = 3.40282347e38f;
  const double got_wide = std::isinf(got) ? std::copysign(3.40282367e38, got) : got;
  if (std::isinf(got) && std::fabs(want) < 0.9999 * largest) return HUGE_VAL;
  if (std::isinf(rounded) && std::fabs(got) < 0.9999f * largest) return HUGE_VAL;
  const float magnitude = std::min(std::fabs(rounded), largest);
  const double step = static_cast<double>(magnitude) - std::nextafterf(magnitude, 0.0f);
  return std::fabs(got_wide - want) / std::max(step, 1.4e-45);
}

}  // namespace planish::cpu::testing
