// SPDX-License-Identifier: Apache-2.0
#pragma once

// The instruction sets that the CPU kernels are compiled for, and which of them this processor
// runs.
//
// A file named `x.isa.cc` is compiled once for each Isa, with PLANISH_ISA defined as `plain`,
// `avx2` or `avx512` and the matching -m flags:
//   plain    none (SSE2, which every x86-64 has)
//   avx2     -mavx2 -mfma -mf16c
//   avx512   -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
// It defines everything in namespace planish::cpu::PLANISH_ISA and exports one table of function
// pointers, which the family's header declares in the three namespaces and hands out by `by_isa`.
// An inline function or template of another namespace (the standard library's included) must not be
// used there unless it is sure to be inlined: the linker keeps one copy of it, which may be the one
// with wide instructions.

namespace planish::cpu {

enum class Isa { plain, avx2, avx512 };

inline constexpr Isa kAllIsas[] = {Isa::plain, Isa::avx2, Isa::avx512};

// Whether the processor has the instructions and the operating system saves their registers.
bool isa_supported(Isa isa);

// Whether the processor has Isa::avx512 and AVX512_VNNI, the products of bytes. Code that uses it
// asks at run time.
bool has_vnni();

// The widest supported set; found once.
Isa best_isa();

// "plain", "avx2", "avx512".
const char* isa_name(Isa isa);

// Picks one of a family's three tables.
template <class Table>
const Table& by_isa(Isa isa, const Table& plain, const Table& avx2, const Table& avx512) {
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : plain;
}

}  // namespace planish::cpu
