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
//
// With PLANISH_TEST_CUBINS the same tables run on a GPU instead (device_runner.h), some times each.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
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
#include "emulator/device_runner.h"
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
  explicit KernelCase(const std::string& library) {
    if (cubin_folder() != nullptr) {
      device_ =
          std::make_unique<DeviceModule>(std::string(cubin_folder()) + "/" + library + ".cubin");
    } else {
      module_ = std::make_unique<Module>(std::string(PLANISH_EMULATED) + "/" + library + ".so");
    }
  }
  bool is_on_device() const { return device_ != nullptr; }

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
    Operand* o = keep(bytes, 0);
    resets_.emplace_back([this, o] { reset(*o, Contents::kUnwritten, 0xcd); });
    return o->address;
  }
  template <class T>
  u64 output(std::vector<double> expected, double tolerance, size_t shift = 0,
             bool zeroed = false) {
    Operand* o = keep(expected.size() * sizeof(T), shift);
    resets_.emplace_back([this, o, zeroed] {
      reset(*o, zeroed ? Contents::kWritten : Contents::kUnwritten, zeroed ? 0 : 0xcd);
    });
    const std::string name = "output " + std::to_string(checks_.size());
    checks_.emplace_back([this, o, expected = std::move(expected), tolerance, name] {
      check<T>(*o, expected, tolerance, name);
    });
    return o->address;
  }

  template <class Params>
  void run(const std::string& entry, const Shape& shape, const Params& params) {
    for (const auto& [seed, starve] :
         {std::pair<uint64_t, bool>{0, false}, {1, false}, {6, true}}) {
      for (const auto& reset : resets_) reset();
      if (is_on_device()) {
        ASSERT_EQ(device_->launch(entry, shape.grid, shape.threads, shape.shared_bytes,
                                  std::as_bytes(std::span(&params, 1))),
                  "");
      } else {
        const Outcome outcome = once(entry, shape, params, seed, starve);
        ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.message << ", seed " << seed;
      }
      for (const auto& check : checks_) check();
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << entry << ", seed " << seed << (starve ? ", starved" : "");
        return;
      }
    }
  }

  // On the emulator only.
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
    return launch(*module_, entry, memory_, options);
  }

 private:
  // Bytes of the host, and on the device their twin.
  struct Operand {
    Bytes bytes;
    std::unique_ptr<DeviceBytes> device;
    u64 address;
    size_t shift;
  };
  Operand* keep(size_t size, size_t shift) {
    operands_.push_back(std::make_unique<Operand>(Operand{Bytes(size, shift), nullptr, 0, shift}));
    Operand* o = operands_.back().get();
    o->address = reinterpret_cast<u64>(o->bytes.data());
    if (is_on_device()) {
      o->device = std::make_unique<DeviceBytes>(size + shift);
      o->address = o->device->address() + shift;
    }
    return o;
  }
  void reset(Operand& o, Contents contents, unsigned char byte) {
    std::memset(o.bytes.data(), byte, o.bytes.size());
    memory_.add(o.bytes.data(), o.bytes.size(), contents);
    if (is_on_device()) o.device->fill(byte);
  }
  template <class T>
  u64 add(const std::vector<double>& values, Contents contents, size_t shift) {
    Operand* o = keep(values.size() * sizeof(T), shift);
    for (size_t i = 0; i < values.size(); ++i) {
      const T value = from_double<T>(values[i]);
      std::memcpy(o->bytes.data() + i * sizeof(T), &value, sizeof(T));
    }
    memory_.add(o->bytes.data(), o->bytes.size(), contents);
    if (is_on_device()) o->device->copy_in(o->bytes.data() - shift);
    return o->address;
  }
  // Whether the element was written; on the device, whether it differs from what it was filled
  // with.
  bool is_written(const unsigned char* at, size_t size, bool must_be) const {
    if (!is_on_device()) return memory_.first_unwritten(at, size) != 0;
    return must_be || std::any_of(at, at + size, [](unsigned char b) { return b != 0xcd; });
  }
  template <class T>
  void check(const Operand& o, const std::vector<double>& expected, double tolerance,
             const std::string& name) {
    const Bytes& bytes = o.bytes;
    if (is_on_device()) o.device->copy_out(bytes.data() - o.shift);
    double largest = 0;
    for (const double e : expected) {
      if (e != kUntouched && std::isfinite(e)) largest = std::fmax(largest, std::fabs(e));
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      const unsigned char* at = bytes.data() + i * sizeof(T);
      if (expected[i] == kUntouched) {
        ASSERT_FALSE(is_written(at, sizeof(T), false)) << name << "[" << i << "] was written";
        continue;
      }
      ASSERT_TRUE(is_written(at, sizeof(T), true)) << name << "[" << i << "] was not written";
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

  std::unique_ptr<Module> module_;
  std::unique_ptr<DeviceModule> device_;
  Memory memory_;
  std::vector<std::unique_ptr<Operand>> operands_;
  std::vector<std::function<void()>> resets_;
  std::vector<std::function<void()>> checks_;
};

}  // namespace planish::emulator
