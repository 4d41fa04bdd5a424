// SPDX-License-Identifier: Apache-2.0
#pragma once

// Test data between pages that may not be touched: a kernel that reads or writes one float too far
// crashes.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "backend/cpu/kernels/isa.h"

namespace planish::cpu {

// `count` floats; the last one is followed at once by a forbidden page, or, with Edge::front, the
// first one is preceded by one.
class GuardedBuffer {
 public:
  enum class Edge { back, front };

  explicit GuardedBuffer(int64_t count, Edge edge = Edge::back) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = static_cast<size_t>(count) * sizeof(float);
    const size_t inner = (bytes + page - 1) / page * page;
    mapped_ = inner + 2 * page;
    base_ = static_cast<char*>(
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) std::abort();
    mprotect(base_, page, PROT_NONE);
    mprotect(base_ + page + inner, page, PROT_NONE);
    data_ = reinterpret_cast<float*>(base_ + page + (edge == Edge::back ? inner - bytes : 0));
  }
  ~GuardedBuffer() { munmap(base_, mapped_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  float* data() { return data_; }
  const float* data() const { return data_; }
  int64_t size() const { return count_; }
  float& operator[](int64_t i) { return data_[i]; }

  // Values in [-1, 1] that depend on the seed alone.
  void fill_random(uint32_t seed) {
    std::minstd_rand random(seed + 1);
    for (int64_t i = 0; i < count_; ++i) {
      data_[i] = static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 1e-3f;
    }
  }
  void fill(float value) {
    for (int64_t i = 0; i < count_; ++i) data_[i] = value;
  }

 private:
  int64_t count_;
  size_t mapped_ = 0;
  char* base_ = nullptr;
  float* data_ = nullptr;
};

// Scratch memory of exactly the size that a kernel asked for, aligned to 64 bytes at its front.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) : buffer_((bytes + 3) / 4, GuardedBuffer::Edge::front) {
    // What an earlier kernel left there must not matter.
    std::memset(static_cast<void*>(buffer_.data()), 0xff, static_cast<size_t>(buffer_.size()) * 4);
  }
  void* data() { return buffer_.data(); }

 private:
  GuardedBuffer buffer_;
};

inline std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : kAllIsas) {
    if (isa_supported(isa)) isas.push_back(isa);
  }
  return isas;
}

}  // namespace planish::cpu
