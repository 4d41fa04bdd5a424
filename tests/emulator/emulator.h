// SPDX-License-Identifier: Apache-2.0
// Runs GPU kernels on the CPU, slowly and strictly. A kernel library is an ordinary shared object:
// the kernel's source compiled by g++ (compile_kernels). Threads are fibers of one thread of the
// host; a few blocks are resident at a time and their threads run in an order drawn from a seed.
//
//   Memory memory;
//   memory.add(x.data(), bytes, Contents::kWritten);
//   memory.add(y.data(), bytes, Contents::kUnwritten);
//   Module module("libkernels.so");
//   Outcome outcome = launch(module, "entry", memory, {.grid = {4, 1, 1}, .threads = 128,
//                                                      .params = as_bytes(params)});
//   if (outcome.fault != Fault::kNone) ... outcome.message
//
// Found: accesses outside known memory, misaligned ones, reads of bytes that nobody wrote or that a
// background copy has not brought yet, memory touched before wait_for_predecessor(), lanes of a
// warp that meet in different instructions, deadlocks; races by their wrong results under some
// seeds. Not modelled: time, caches, the order in which other blocks see writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "emulator/machine.h"

namespace planish::emulator {

enum class Contents {
  kWritten,
  kUnwritten,  // reading a byte before it is written is a fault
  kConstant,   // weights: may be read before wait_for_predecessor(), may not be written
};

// The global memory that kernels may touch. The bytes stay the caller's.
class Memory {
 public:
  struct Region {
    uintptr_t end = 0;
    bool constant = false;
    std::vector<unsigned char> states;  // empty: all written
  };
  void add(const void* at, size_t bytes, Contents contents);
  void remove(const void* at);  // as added; unknown addresses are ignored
  // Marks bytes as written, such as by a copy to the device.
  void mark_written(const void* at, size_t bytes);
  // The first byte of [at, at + bytes) that was never written, as an offset, or -1.
  ptrdiff_t first_unwritten(const void* at, size_t bytes) const;
  Region* find(uintptr_t at);  // the region that holds it, or null

 private:
  std::map<uintptr_t, Region> regions_;  // by first byte
};

// An opened kernel library. Throws std::runtime_error if it cannot be opened.
class Module {
 public:
  explicit Module(const std::string& path);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  void* find(const std::string& entry) const;  // null if there is none

 private:
  void* handle_;
};

struct LaunchOptions {
  uint32_t grid[3] = {1, 1, 1};
  uint32_t threads = 1;
  uint32_t shared_bytes = 0;
  std::span<const std::byte> params;  // the bytes of the entry's parameter
  uint64_t seed = 1;                  // 0: threads run in their order
  bool starve = false;                // one block, or one warp, runs only when no other can
  bool dependent = true;  // another kernel may still run: order by wait_for_predecessor()
  uint64_t max_switches = uint64_t{1} << 32;
};

struct Outcome {
  Fault fault = Fault::kNone;
  std::string message;  // empty, or where and what: block, thread, address, line of the template
};

// Runs the grid to its end or to the first fault. One launch at a time; others wait.
Outcome launch(const Module& module, const std::string& entry, Memory& memory,
               const LaunchOptions& options);

// Compiles kernel source to a shared object at `output`, finding templates in
// src/backend/cuda/kernels. Returns the compiler's complaints, empty on success.
std::string compile_kernels(const std::string& source, const std::string& output);

const char* fault_name(Fault fault);

}  // namespace planish::emulator
