// SPDX-License-Identifier: Apache-2.0
// One problem for an emulated kernel: operands in exactly sized memory, expected results, and runs
// under several schedules.
//
//   KernelCase c("gemm");                                  // instances/gemm.cc
//   GemmParams p{};
//   p.a = c.constant<f16>(a);                              // rounded copies of vectors of double
//   p.c = c.output<f16>(expected, 2e-3);                   // tolerance relative to the largest
//   value c.run("entry", {.grid = {4, 1, 1}, .threads = 128}, p);
//
// An expected value that is kUntouched must not be written.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/kernels/expression.cuh"
#include "emulator/emulator.h"

namespace planish::emulator {

inline constexpr double kUntouched = -1.2345e300;

// Memory that starts at a multiple of 256, plus `shift` bytes, and ends at its last byte.
class Bytes {
 public:
  explicit Bytes(size_t size, size_t shift = 0) : storage_(size + shift + 256), size_(size) {
    const auto first = reinterpret_cast<uintptr_t>(storage_.data());
    data_ = storage_.data() + ((first + 255) / 256 * 256 - first) + shift;
  }
  unsigned char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::vector<unsigned char> storage_;
  size_t size_;
  unsigned char* data_;
};

template <class T>
double as_double(T x) {
  return static_cast<double>(pointwise::computed(x));
}
template <class T>
T from_double(double x) {
  return pointwise::stored<T>(x);
}

// Values that T holds exactly, between low and high.
template <class T>
std::vector<double> random_values(size_t count, uint32_t seed, double low = -1, double high = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> draw(low, high);
  std::vector<double> values(count);
  for (double& value : values) value = as_double(from_double<T>(draw(engine)));
  return values;
}

struct Shape {
  uint32_t grid[3] = {1, 1, 1};
  uint32_t threads = 32;
  uint32_t shared_bytes = 0;
};

class KernelCase {
 public:
  explicit KernelCase(const std::string& library)
      : module_(std::string(PLANISH_EMULATED) + "/" + library + ".so") {}

  // `shift` moves the start off its alignment of 256 bytes.
  template <class T>
  u64 constant(const std::vector<double>& values, size_t shift = 0) {
    return add<T>(values, Contents::kConstant, shift);
  }
  template <class T>
  u64 input(const std::vector<double>& values, size_t shift = 0) {
    return add<T>(values, Contents::kWritten, shift);
  }
  // Memory for the kernel's own use. Must be as written before: zero.
  u64 counters(size_t count) { return output<i32>(std::vector<double>(count, 0.0), 0, 0, true); }
  u64 scratch(size_t bytes) {
    auto* at = keep(std::make_unique<Bytes>(bytes));
    resets_.emplace_back([this, at] { memory_.add(at->data(), at->size(), Contents::kUnwritten); });
    return reinterpret_cast<u64>(at->data());
  }
  template <class T>
  u64 output(std::vector<double> expected, double tolerance, size_t shift = 0,
             bool zeroed = false) {
    auto* at = keep(std::make_unique<Bytes>(expected.size() * sizeof(T), shift));
    resets_.emplace_back([this, at, zeroed] {
      std::memset(at->data(), zeroed ? 0 : 0xcd, at->size());
      memory_.add(at->data(), at->size(), zeroed ? Contents::kWritten : Contents::kUnwritten);
    });
    const std::string name = "output " + std::to_string(checks_.size());
    checks_.emplace_back([this, at, expected = std::move(expected), tolerance, name] {
      check<T>(*at, expected, tolerance, name);
    });
    return reinterpret_cast<u64>(at->data());
  }

  template <class Params>
  void run(const std::string& entry, const Shape& shape, const Params& params) {
    for (const auto& [seed, starve] :
         {std::pair<uint64_t, bool>{0, false}, {1, false}, {6, true}}) {
      for (const auto& reset : resets_) reset();
      const Outcome outcome = once(entry, shape, params, seed, starve);
      ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.message << ", seed " << seed;
      for (const auto& check : checks_) check();
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << entry << ", seed " << seed << (starve ? ", starved" : "");
        return;
      }
    }
  }

  template <class Params>
  Outcome once(const std::string& entry, const Shape& shape, const Params& params, uint64_t seed,
               bool starve) {
    LaunchOptions options;
    std::copy_n(shape.grid, 3, options.grid);
    options.threads = shape.threads;
    options.shared_bytes = shape.shared_bytes;
    options.params = std::as_bytes(std::span(&params, 1));
    options.seed = seed;
    options.starve = starve;
    return launch(module_, entry, memory_, options);
  }

 private:
  Bytes* keep(std::unique_ptr<Bytes> bytes) {
    bytes_.push_back(std::move(bytes));
    return bytes_.back().get();
  }
  template <class T>
  u64 add(const std::vector<double>& values, Contents contents, size_t shift) {
    auto* at = keep(std::make_unique<Bytes>(values.size() * sizeof(T), shift));
    for (size_t i = 0; i < values.size(); ++i) {
      const T value = from_double<T>(values[i]);
      std::memcpy(at->data() + i * sizeof(T), &value, sizeof(T));
    }
    memory_.add(at->data(), at->size(), contents);
    return reinterpret_cast<u64>(at->data());
  }
  template <class T>
  void check(const Bytes& bytes, const std::vector<double>& expected, double tolerance,
             const std::string& name) {
    double largest = 0;
    for (const double e : expected) {
      if (e != kUntouched && std::isfinite(e)) largest = std::fmax(largest, std::fabs(e));
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      const unsigned char* at = bytes.data() + i * sizeof(T);
      const ptrdiff_t unwritten = memory_.first_unwritten(at, sizeof(T));
      if (expected[i] == kUntouched) {
        ASSERT_EQ(unwritten, 0) << name << "[" << i << "] was written";
        continue;
      }
      ASSERT_EQ(unwritten, -1) << name << "[" << i << "] was not written";
      T value;
      std::memcpy(&value, at, sizeof(T));
      const double got = as_double(value);
      if (std::isnan(expected[i])) {
        ASSERT_TRUE(std::isnan(got)) << name << "[" << i << "] is " << got;
      } else if (got != expected[i]) {
        ASSERT_LE(std::fabs(got - expected[i]), tolerance * largest)
            << name << "[" << i << "] is " << got << ", not " << expected[i];
      }
    }
  }

  Module module_;
  Memory memory_;
  std::vector<std::unique_ptr<Bytes>> bytes_;
  std::vector<std::function<void()>> resets_;
  std::vector<std::function<void()>> checks_;
};

}  // namespace planish::emulator
