// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/isa.h"

#include <cpuid.h>

#include <cstdint>

namespace planish::cpu {
namespace {

struct Support {
  bool avx2 = false;
  bool avx512 = false;
  bool vnni = false;
};

uint64_t enabled_register_state() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

Support detect() {
  Support support;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return support;
  const bool fma = (c & bit_FMA) != 0;
  const bool f16c = (c & bit_F16C) != 0;
  if ((c & bit_OSXSAVE) == 0 || (c & bit_AVX) == 0) return support;
  constexpr uint64_t kYmm = 0x06;  // xmm and upper halves of ymm
  constexpr uint64_t kZmm = 0xe6;  // those, mask registers, upper halves of zmm, zmm16 to zmm31
  const uint64_t state = enabled_register_state();
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return support;
  support.avx2 = (state & kYmm) == kYmm && fma && f16c && (b & bit_AVX2) != 0;
  constexpr uint32_t kAvx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  support.avx512 = support.avx2 && (state & kZmm) == kZmm && (b & kAvx512) == kAvx512;
  support.vnni = support.avx512 && (c & bit_AVX512VNNI) != 0;
  return support;
}

const Support& support() {
  static const Support kSupport = detect();
  return kSupport;
}

}  // namespace

bool isa_supported(Isa isa) {
  switch (isa) {
    case Isa::plain: return true;
    case Isa::avx2: return support().avx2;
    case Isa::avx512: return support().avx512;
  }
  return false;
}

bool has_vnni() { return support().vnni; }

Isa best_isa() { return support().avx512 ? Isa::avx512 : support().avx2 ? Isa::avx2 : Isa::plain; }

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::plain: return "plain";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  return "unknown";
}

}  // namespace planish::cpu
