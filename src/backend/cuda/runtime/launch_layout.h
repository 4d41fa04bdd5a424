// SPDX-License-Identifier: Apache-2.0
// How a plan says what a kernel is launched with.
//
// A step "cuda.launch" makes one launch or several, one after another. Its attributes:
//   kernels   texts: a launch's key in the code archive
//   fields    texts: a launch's parameters, in the order of the kernel's Params struct, separated
//   by
//             blanks:
//               in:K  out:K   address of the step's input or output K; 0 if it is absent
//               in:K+E out:K+E  the same plus expression E in bytes
//               scratch:E     address of the step's scratch memory, plus expression E in bytes
//               zeros:0       address of 32 KiB of the context that are zero before and after
//               fault:0       address of an i32 in which the kernel stores an index out of range
//               site:0        what it stores there, an i64: a number of the step
//               i32:V  i64:V  a number           i32@E  i64@E   the value of expression E
//               f32:HEX       the bits of a float, 8 digits
//   geometry  integers, five a launch: the expressions of grid x, y and z, threads, bytes of shared
//             memory (the last two are numbers)
//   dims      texts: the expressions, over the plan's symbols
//   scratch   integer: the expression of the scratch memory's bytes; absent: none
//   overlaps  integers, one a launch: 1 if the kernel waits for its predecessor by itself
//   in_place  integers: pairs (output, input) that may share their memory
//   windows   integers, four a window that must fit: number of the spatial axis, expression of its
//             size, elements of the window, expression of the size with pads
//   broadcasts  integers: pairs of expressions, a size and the one that it is broadcast to: 1, or
//             the same
//   filled    integers: expressions of sizes that must not be 0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace planish::cuda {

struct Field {
  enum class Kind : uint8_t {
    kInput,
    kOutput,
    kScratch,
    kZeros,
    kFault,
    kSite,
    kNumber,
    kExpression
  };
  Kind kind = Kind::kNumber;
  int bytes = 8;        // 4 or 8
  int64_t value = 0;    // the operand, the expression, or the number (a float's bits)
  int64_t offset = -1;  // kInput, kOutput: an expression; negative: none
};

// Throws kInvalidPlan.
std::vector<Field> parse_fields(std::string_view text);
std::string print_fields(const std::vector<Field>& fields);

// Bytes of the struct, with the padding that C gives it.
size_t fields_bytes(const std::vector<Field>& fields);

inline constexpr size_t kZeroBytes = 32 << 10;
inline constexpr size_t kMaxParamBytes = 4096;
inline constexpr int kGeometryNumbers = 5;

}  // namespace planish::cuda
