// SPDX-License-Identifier: Apache-2.0
// What the block emulator and a kernel compiled for it know of each other. Each emulated kernel
// library holds a pointer `planish_machine`, which the emulator sets when it opens the library.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace planish::emulator {

enum class Fault : int {
  kNone,
  kOutOfBounds,        // outside the shared memory of the block or any known global memory
  kMisaligned,         // an access not aligned to its size, or to what an instruction asks
  kUninitialisedRead,  // bytes that nobody wrote, or that a copy in the background has not brought
  kUnordered,          // memory of other kernels before wait_for_predecessor(), or as constant
  kDivergence,         // the lanes of a warp meet in different instructions
  kDeadlock,           // no thread can go on
  kRunaway,            // more thread switches than the limit
  kBadLaunch,          // impossible sizes or an unknown entry
};

enum class Access : int { kRead, kWrite, kConstantRead };

// States of a byte of memory.
inline constexpr unsigned char kUnwritten = 0;
inline constexpr unsigned char kWritten = 1;
inline constexpr unsigned char kInFlight = 2;

inline constexpr uint32_t kSlotBytes = 64;  // what a lane may bring to an exchange

struct Machine {
  // The running thread.
  uint32_t thread = 0;
  uint32_t threads = 0;
  uint32_t block[3] = {};
  uint32_t grid[3] = {};
  unsigned char* shared = nullptr;         // of its block
  unsigned char* shared_states = nullptr;  // one state a byte
  uint32_t shared_bytes = 0;

  // Does not return.
  void (*fail)(Machine&, Fault, const char* what, uint64_t where, int line) = nullptr;
  void (*check_global)(Machine&, const void* at, size_t bytes, Access, int line) = nullptr;
  // All lanes of the warp bring `bytes` and go on together; returns 32 slots of kSlotBytes, which
  // stay until this lane's next exchange. `instruction` must be the same for all.
  const unsigned char* (*exchange)(Machine&, int instruction, const void* in,
                                   uint32_t bytes) = nullptr;
  void (*barrier)(Machine&, uint32_t id, uint32_t threads) = nullptr;
  void (*cluster_barrier)(Machine&, uint32_t size) = nullptr;
  // Shared memory of a live block of this one's cluster, with its states.
  unsigned char* (*peer_shared)(Machine&, uint32_t rank, uint32_t size,
                                unsigned char** states) = nullptr;
  void (*copy_async)(Machine&, uint32_t to, const void* from, uint32_t bytes, uint32_t valid,
                     int line) = nullptr;
  void (*commit_copies)(Machine&) = nullptr;
  void (*wait_copies)(Machine&, int pending) = nullptr;
  void (*yield)(Machine&) = nullptr;  // lets others run, or not
  void (*wait_for_predecessor)(Machine&) = nullptr;
};

}  // namespace planish::emulator
