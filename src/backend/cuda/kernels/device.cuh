// SPDX-License-Identifier: Apache-2.0
// All that a kernel may ask of the machine: element types, memory, warps, matrix units, copies in
// the background, order between kernels. No CUDA header is included, so that NVRTC needs no include
// path.
//
// The same kernels compile with g++ too: then the second half of this file is replaced by the host
// twin "emulated_device.h" of tests/emulator, and the block emulator runs them. A kernel touches
// global memory only through load/store and the copies below, and shared memory only through
// Shared<T>, so that the emulator sees each access. Compile as C++20.
//
//   PLANISH_KERNEL(threads, blocks)  threads of a block, least blocks that must fit a processor
//   PLANISH_CLUSTER(size)            behind it: `size` neighbours in grid y share a cluster (sm_90;
//                                    grid y is a multiple of it)
//   PLANISH_PARAMS(Type)             the one parameter of an entry
//   PLANISH_DEVICE                   a function of a kernel
//   PLANISH_CONSTEXPR                a function of constants; hosts may call it too
//   PLANISH_UNROLL                   unroll the loop that follows
//   PLANISH_DEPENDENT_LAUNCH         0 before the include leaves out the instructions that order a
//                                    kernel after its predecessor (sm_90; no-ops in a plain launch)
//   PLANISH_FAST_MATH                1 before the include: functions good to f16 and bf16
#pragma once

#ifndef PLANISH_DEPENDENT_LAUNCH
#define PLANISH_DEPENDENT_LAUNCH 1
#endif
#ifndef PLANISH_FAST_MATH
#define PLANISH_FAST_MATH 0
#endif

#if defined(__CUDACC__)
#define PLANISH_DEVICE __device__ __forceinline__
#define PLANISH_CONSTEXPR __device__ constexpr
#define PLANISH_KERNEL(threads, blocks) __global__ __launch_bounds__(threads, blocks)
#if __CUDA_ARCH__ >= 900
#define PLANISH_CLUSTER(size) __cluster_dims__(1, size, 1)
#else
#define PLANISH_CLUSTER(size)
#endif
#define PLANISH_PARAMS(...) const __grid_constant__ __VA_ARGS__
#define PLANISH_UNROLL _Pragma("unroll")
#else
#define PLANISH_DEVICE inline
#define PLANISH_CONSTEXPR constexpr
#define PLANISH_KERNEL(threads, blocks) __attribute__((visibility("default")))
#define PLANISH_CLUSTER(size)
#define PLANISH_PARAMS(...) const __VA_ARGS__&
#define PLANISH_UNROLL
#endif

namespace planish {

using i8 = signed char;
using u8 = unsigned char;
using i16 = short;
using u16 = unsigned short;
using i32 = int;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;
using f32 = float;
using f64 = double;
struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};
struct boolean {
  u8 bits;  // not 0: true
};

template <class A, class B>
inline constexpr bool kSame = false;
template <class A>
inline constexpr bool kSame<A, A> = true;
namespace device_detail {
template <bool kFirst, class A, class>
struct Chosen {
  using Type = A;
};
template <class A, class B>
struct Chosen<false, A, B> {
  using Type = B;
};
}  // namespace device_detail
template <bool kFirst, class A, class B>
using Choose = typename device_detail::Chosen<kFirst, A, B>::Type;
template <class T>
inline constexpr bool kIsHalf = kSame<T, f16> || kSame<T, bf16>;

PLANISH_CONSTEXPR i32 ceil_div(i32 a, i32 b) { return (a + b - 1) / b; }
PLANISH_CONSTEXPR i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }
PLANISH_CONSTEXPR i32 least(i32 a, i32 b) { return a < b ? a : b; }
PLANISH_CONSTEXPR i32 most(i32 a, i32 b) { return a > b ? a : b; }
// A size that an instance may bake in: 0 stands for "in the parameters".
PLANISH_CONSTEXPR i32 baked(i32 constant, i32 parameter) {
  return constant != 0 ? constant : parameter;
}

// N elements that move together. N * sizeof(T) is a power of two up to 16, or a multiple of 16.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
  T at[N];
};

template <class T>
PLANISH_DEVICE T* pointer(u64 address) {
  return reinterpret_cast<T*>(address);
}

}  // namespace planish

#if !defined(__CUDACC__)
#include "emulated_device.h"
#else

namespace planish {

// --- where am I
// -----------------------------------------------------------------------------------

PLANISH_DEVICE u32 thread_index() { return threadIdx.x; }
PLANISH_DEVICE u32 block_threads() { return blockDim.x; }
PLANISH_DEVICE u32 lane_index() { return threadIdx.x & 31; }
PLANISH_DEVICE u32 warp_index() { return threadIdx.x >> 5; }
PLANISH_DEVICE u32 block_x() { return blockIdx.x; }
PLANISH_DEVICE u32 block_y() { return blockIdx.y; }
PLANISH_DEVICE u32 block_z() { return blockIdx.z; }
PLANISH_DEVICE u32 grid_x() { return gridDim.x; }
PLANISH_DEVICE u32 grid_y() { return gridDim.y; }
PLANISH_DEVICE u32 grid_z() { return gridDim.z; }

// --- registers
// ------------------------------------------------------------------------------------

PLANISH_DEVICE u32 float_bits(float x) { return __float_as_uint(x); }
PLANISH_DEVICE float float_of_bits(u32 x) { return __uint_as_float(x); }

PLANISH_DEVICE float to_float(f16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
PLANISH_DEVICE float to_float(bf16 x) { return float_of_bits(static_cast<u32>(x.bits) << 16); }
// Round to nearest, ties to even.
PLANISH_DEVICE f16 to_f16(float x) {
  f16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}
PLANISH_DEVICE bf16 to_bf16(float x) {
#if __CUDA_ARCH__ >= 800
  bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  const u32 bits = float_bits(x);
  if (x != x) return {static_cast<u16>((bits >> 16) | 0x40)};
  return {static_cast<u16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
#endif
}
// Two halves in a register, the first in the low bits.
PLANISH_DEVICE u32 pack_pair(f16, float low, float high) {
  u32 y;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
#else
  y = to_f16(low).bits | static_cast<u32>(to_f16(high).bits) << 16;
#endif
  return y;
}
PLANISH_DEVICE u32 pack_pair(bf16, float low, float high) {
  u32 y;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
#else
  y = to_bf16(low).bits | static_cast<u32>(to_bf16(high).bits) << 16;
#endif
  return y;
}
// Rounds to the 10 bits of mantissa that the matrix units read; returns the bits.
PLANISH_DEVICE u32 to_tf32(float x) {
#if __CUDA_ARCH__ >= 800
  u32 y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#else
  return float_bits(x);
#endif
}

PLANISH_DEVICE float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
PLANISH_DEVICE float reciprocal_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// Good to 2 ulp for divisors from 2^-126 to 2^126; 0 for larger ones that are finite.
PLANISH_DEVICE float divide_approx(float x, float y) {
  float z;
  asm("div.approx.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y));
  return z;
}
PLANISH_DEVICE float sqrt_approx(float x) {
  float y;
  asm("sqrt.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
PLANISH_DEVICE float rsqrt_approx(float x) {
  float y;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
PLANISH_DEVICE float tanh_approx(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// --- global memory
// --------------------------------------------------------------------------------

namespace device_detail {
template <int kBytes>
struct Word {
  using Type = uint4;
};
template <>
struct Word<8> {
  using Type = uint2;
};
template <>
struct Word<4> {
  using Type = u32;
};
template <>
struct Word<2> {
  using Type = u16;
};
template <>
struct Word<1> {
  using Type = u8;
};
// Copies in words as wide as they may be; the compiler keeps the union in registers.
template <class T>
PLANISH_DEVICE T copy_in(const void* from) {
  using W = typename Word<sizeof(T)>::Type;
  constexpr int kWords = sizeof(T) / sizeof(W);
  union {
    T value;
    W words[kWords];
  } u;
  PLANISH_UNROLL
  for (int i = 0; i < kWords; ++i) u.words[i] = static_cast<const W*>(from)[i];
  return u.value;
}
template <class T>
PLANISH_DEVICE void copy_out(void* to, const T& value) {
  using W = typename Word<sizeof(T)>::Type;
  constexpr int kWords = sizeof(T) / sizeof(W);
  union {
    T value;
    W words[kWords];
  } u;
  u.value = value;
  PLANISH_UNROLL
  for (int i = 0; i < kWords; ++i) static_cast<W*>(to)[i] = u.words[i];
}
}  // namespace device_detail

template <class T>
PLANISH_DEVICE T load(const T* from) {
  return device_detail::copy_in<T>(from);
}
template <class T>
PLANISH_DEVICE void store(T* to, T value) {
  device_detail::copy_out<T>(to, value);
}
// N elements at an address that is a multiple of the smaller of 16 and their size.
template <int N, class T>
PLANISH_DEVICE Pack<T, N> load_pack(const T* from) {
  return device_detail::copy_in<Pack<T, N> >(from);
}
template <class T, int N>
PLANISH_DEVICE void store_pack(T* to, const Pack<T, N>& value) {
  device_detail::copy_out<Pack<T, N> >(to, value);
}
// What no kernel writes while this one may run (weights): through the read-only path, and allowed
// before wait_for_predecessor().
template <int N, class T>
PLANISH_DEVICE Pack<T, N> load_constant_pack(const T* from) {
  using W = typename device_detail::Word<sizeof(Pack<T, N>)>::Type;
  constexpr int kWords = sizeof(Pack<T, N>) / sizeof(W);
  union {
    Pack<T, N> value;
    W words[kWords];
  } u;
  PLANISH_UNROLL
  for (int i = 0; i < kWords; ++i) u.words[i] = __ldg(reinterpret_cast<const W*>(from) + i);
  return u.value;
}
PLANISH_DEVICE void prefetch_l2(const void* from) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(from));
}
// What this thread wrote is seen by all before what it writes after.
PLANISH_DEVICE void fence_device() { __threadfence(); }
PLANISH_DEVICE i32 atomic_add(i32* to, i32 value) { return atomicAdd(to, value); }
PLANISH_DEVICE float atomic_add(float* to, float value) { return atomicAdd(to, value); }
// Stores `value` where `expected` stood; returns what stood there.
PLANISH_DEVICE u32 atomic_exchange_if(u32* to, u32 expected, u32 value) {
  return atomicCAS(to, expected, value);
}
// Reads past the caches of this multiprocessor: for what other blocks wrote.
template <class T>
PLANISH_DEVICE T load_fresh(const T* from) {
  using W = typename device_detail::Word<sizeof(T)>::Type;
  constexpr int kWords = sizeof(T) / sizeof(W);
  union {
    T value;
    W words[kWords];
  } u;
  PLANISH_UNROLL
  for (int i = 0; i < kWords; ++i) u.words[i] = __ldcg(reinterpret_cast<const W*>(from) + i);
  return u.value;
}

// --- shared memory
// --------------------------------------------------------------------------------

// Aligned as the swizzle of WarpgroupUnit asks.
extern __shared__ __align__(1024) unsigned char planish_shared_bytes[];

// An array in shared memory. Uninitialised at the start of a block.
template <class T>
struct Shared {
  T* base;
  PLANISH_DEVICE T get(int i) const { return device_detail::copy_in<T>(base + i); }
  PLANISH_DEVICE void set(int i, T value) const { device_detail::copy_out<T>(base + i, value); }
  template <int N>
  PLANISH_DEVICE Pack<T, N> get_pack(int i) const {
    return device_detail::copy_in<Pack<T, N> >(base + i);
  }
  template <int N>
  PLANISH_DEVICE void set_pack(int i, const Pack<T, N>& value) const {
    device_detail::copy_out<Pack<T, N> >(base + i, value);
  }
  PLANISH_DEVICE Shared<T> from(int i) const { return {base + i}; }
  PLANISH_DEVICE u32 address(int i) const {
    return static_cast<u32>(__cvta_generic_to_shared(base + i));
  }
};
template <class T>
PLANISH_DEVICE Shared<T> shared_array(u32 byte_offset) {
  return {reinterpret_cast<T*>(planish_shared_bytes + byte_offset)};
}
PLANISH_DEVICE float atomic_add_shared(Shared<float> a, int i, float value) {
  return atomicAdd(a.base + i, value);
}
PLANISH_DEVICE i32 atomic_add_shared(Shared<i32> a, int i, i32 value) {
  return atomicAdd(a.base + i, value);
}

// Copies kBytes (4, 8 or 16) in the background; of these the first `valid` come from global memory,
// the others are zero. They have landed after wait_copies(), and for other threads after a barrier
// behind it. Before sm_80 the copy is done at once.
template <int kBytes, class T>
PLANISH_DEVICE void copy_async(Shared<T> to, int i, const T* from, int valid) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
#if __CUDA_ARCH__ >= 800
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.address(i)), "l"(from),
                 "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to.address(i)), "l"(from),
                 "n"(kBytes), "r"(valid)
                 : "memory");
  }
#else
  using W = typename device_detail::Word<kBytes>::Type;
  union {
    W word;
    T at[kBytes / sizeof(T)];
  } u;
  u.word = W{};
  if (valid == kBytes) {
    u.word = *reinterpret_cast<const W*>(from);
  } else {
    PLANISH_UNROLL
    for (int e = 0; e < static_cast<int>(kBytes / sizeof(T)); ++e) {
      if (e * static_cast<int>(sizeof(T)) < valid) u.at[e] = from[e];
    }
  }
  *reinterpret_cast<W*>(to.base + i) = u.word;
#endif
}
// Closes a group of the copies that this thread has begun.
PLANISH_DEVICE void commit_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most kPending groups of this thread's copies are under way.
template <int kPending>
PLANISH_DEVICE void wait_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

// --- threads together
// -----------------------------------------------------------------------------

PLANISH_DEVICE void sync_block() { __syncthreads(); }
PLANISH_DEVICE void sync_warp() { __syncwarp(); }
// A barrier of `threads` threads (a multiple of 32) of the block; ids 1 to 15.
PLANISH_DEVICE void sync_group(u32 id, u32 threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// --- clusters of blocks (sm_90) ------------------------------------------------------------------

// All threads of a cluster of `size` blocks; what they wrote to shared memory before is seen
// behind.
PLANISH_DEVICE void sync_cluster(u32) {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
  __trap();
#endif
}
// Four words of the same array in the shared memory of block `rank` (grid y modulo size) of the
// cluster, which must not have ended.
template <class T>
PLANISH_DEVICE Pack<T, 4> load_from_block(Shared<T> array, int i, u32 rank, u32) {
  static_assert(sizeof(T) == 4);
  union {
    Pack<T, 4> value;
    u32 words[4];
  } u;
#if __CUDA_ARCH__ >= 900
  u32 at;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(at)
               : "r"(array.address(i)), "r"(rank));
  asm volatile("ld.shared::cluster.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(u.words[0]), "=r"(u.words[1]), "=r"(u.words[2]), "=r"(u.words[3])
               : "r"(at)
               : "memory");
#else
  u.value = array.template get_pack<4>(i);
  __trap();
#endif
  return u.value;
}

// --- lanes of a warp -----------------------------------------------------------------------------

// All 32 lanes take part.
template <class T>
PLANISH_DEVICE T shuffle_xor(T value, u32 mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
template <class T>
PLANISH_DEVICE T shuffle_from(T value, u32 lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}
template <class T>
PLANISH_DEVICE T shuffle_up(T value, u32 distance) {
  return __shfl_up_sync(0xffffffffu, value, distance);
}
PLANISH_DEVICE u32 ballot(bool vote) { return __ballot_sync(0xffffffffu, vote); }

// Four 8 x 8 matrices of 16-bit elements (or 8 x 4 of 32-bit elements): lane i gives the address of
// row i % 8 of matrix i / 8 (16 bytes, aligned); out[m] holds elements 2 (lane % 4), + 1 of row
// lane / 4.
template <class T>
PLANISH_DEVICE void load_matrix(u32 (&out)[4], Shared<T> rows, int i) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(rows.address(i))
               : "memory");
}
// The same, each matrix of 16-bit elements transposed.
template <class T>
PLANISH_DEVICE void load_matrix_transposed(u32 (&out)[4], Shared<T> rows, int i) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(rows.address(i))
               : "memory");
}

// c (16 x 8) += a (16 x 16) b (16 x 8). With g = lane / 4 and t = lane % 4:
//   a[0] row g, columns 2t, 2t+1; a[1] row g+8; a[2] row g, columns 2t+8, 2t+9; a[3] row g+8, the
//   same b[0] rows 2t, 2t+1 of column g; b[1] rows 2t+8, 2t+9 c[0], c[1] row g, columns 2t, 2t+1;
//   c[2], c[3] row g+8
PLANISH_DEVICE void mma(f16, float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, "
      "%9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  PLANISH_UNROLL
  for (int half = 0; half < 2; ++half) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
  }
#endif
}
// bfloat16 needs sm_80.
PLANISH_DEVICE void mma(bf16, float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}
// TF32, 16 x 8 x 8 (sm_80): a[0] row g, column t; a[1] row g+8; a[2] row g, column t+4; a[3] row
// g+8; b[0] row t of column g, b[1] row t+4.
PLANISH_DEVICE void mma(f32, float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}
// 8-bit integers, 16 x 8 x 32 (sm_80): as the 16-bit shape with four elements a register.
PLANISH_DEVICE void mma(i8, i32 (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, "
      "%9}, "
      "{%0, %1, %2, %3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}
PLANISH_DEVICE void mma(u8, i32 (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, "
      "%9}, "
      "{%0, %1, %2, %3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

// --- matrix units of a warp group (sm_90a) -------------------------------------------------------

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define PLANISH_WARPGROUP 1
#else
#define PLANISH_WARPGROUP 0
#endif

// Products that four neighbouring warps (from a multiple of four on) compute together, in the
// background: c (64 x N) += a (64 x 16) b (16 x N). Warp w holds rows 16 w .. 16 w + 15 of c: c[j]
// is the 16 x 8 fragment of mma() at columns 8 j. Operands lie in shared memory, K contiguous, in
// rows of 128 bytes from a multiple of 1024 bytes on; the 16-byte chunks of row r are exchanged:
// chunk i lies at i ^ (r % 8). All lanes of the group make the same calls:
//   accept();            what the block wrote before, in registers and shared memory, may be used
//   multiply<N>(...);    any number
//   commit();            closes a group
//   wait<kPending>();    until at most kPending groups are under way
// Neither c nor the operands may be touched before the wait. Each thread that wrote operands calls
// publish() behind its writes or wait_copies(), ahead of the barrier.
struct WarpgroupUnit {
  static PLANISH_DEVICE void publish() {
#if PLANISH_WARPGROUP
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
  }
  PLANISH_DEVICE void accept() {
#if PLANISH_WARPGROUP
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
  }
  PLANISH_DEVICE void commit() {
#if PLANISH_WARPGROUP
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
  }
  template <int kPending>
  PLANISH_DEVICE void wait() {
#if PLANISH_WARPGROUP
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#endif
  }
  // a and b begin at elements i_a and i_b: multiples of 1024 bytes, plus less than 128 bytes along
  // K. N is 32, 64, 128, 192 or 256.
  template <int N, class T>
  PLANISH_DEVICE void multiply(float (&c)[N / 8][4], Shared<T> a, int i_a, Shared<T> b, int i_b) {
    multiply(T{}, c, descriptor(a.address(i_a)), descriptor(b.address(i_b)));
  }

 private:
  // Swizzle of 128 bytes, 1024 bytes from one eight rows to the next.
  static PLANISH_DEVICE u64 descriptor(u32 address) {
    return (u64{1} << 62) | (u64{1024 >> 4} << 32) | (u64{1} << 16) | ((address & 0x3ffff) >> 4);
  }
#if PLANISH_WARPGROUP
#define PLANISH_OUT4(j) "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
#define PLANISH_OUT16(j) \
  PLANISH_OUT4(j), PLANISH_OUT4(j + 1), PLANISH_OUT4(j + 2), PLANISH_OUT4(j + 3)
#define PLANISH_OUT64(j) \
  PLANISH_OUT16(j), PLANISH_OUT16(j + 4), PLANISH_OUT16(j + 8), PLANISH_OUT16(j + 12)
// Names of registers by tens.
#define PLANISH_TEN0 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, "
#define PLANISH_TEN(t)                                                                             \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t \
  "9, "
#define PLANISH_NAMES16 PLANISH_TEN0 "%10, %11, %12, %13, %14, %15"
#define PLANISH_NAMES32 PLANISH_TEN0 PLANISH_TEN(1) PLANISH_TEN(2) "%30, %31"
#define PLANISH_NAMES64                                                    \
  PLANISH_TEN0 PLANISH_TEN(1) PLANISH_TEN(2) PLANISH_TEN(3) PLANISH_TEN(4) \
      PLANISH_TEN(5) "%60, %61, %62, %63"
#define PLANISH_NAMES96                                                                   \
  PLANISH_TEN0 PLANISH_TEN(1) PLANISH_TEN(2) PLANISH_TEN(3) PLANISH_TEN(4) PLANISH_TEN(5) \
      PLANISH_TEN(6) PLANISH_TEN(7) PLANISH_TEN(8) "%90, %91, %92, %93, %94, %95"
#define PLANISH_NAMES128                                                                  \
  PLANISH_TEN0 PLANISH_TEN(1) PLANISH_TEN(2) PLANISH_TEN(3) PLANISH_TEN(4) PLANISH_TEN(5) \
      PLANISH_TEN(6) PLANISH_TEN(7) PLANISH_TEN(8) PLANISH_TEN(9) PLANISH_TEN(10)         \
          PLANISH_TEN(11) "%120, %121, %122, %123, %124, %125, %126, %127"
#define PLANISH_WARPGROUP_MMA(type, n, names, a, b, ...)                                      \
  PLANISH_DEVICE void multiply(type, float(&c)[n / 8][4], u64 left, u64 right) {              \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." #type "." #type " {" names \
                 "}, " a ", " b ", 1, 1, 1, 0, 0;"                                            \
                 : __VA_ARGS__                                                                \
                 : "l"(left), "l"(right));                                                    \
  }
#define PLANISH_WARPGROUP_MMAS(type)                                                   \
  PLANISH_WARPGROUP_MMA(type, 32, PLANISH_NAMES16, "%16", "%17", PLANISH_OUT16(0))     \
  PLANISH_WARPGROUP_MMA(type, 64, PLANISH_NAMES32, "%32", "%33", PLANISH_OUT16(0),     \
                        PLANISH_OUT16(4))                                              \
  PLANISH_WARPGROUP_MMA(type, 128, PLANISH_NAMES64, "%64", "%65", PLANISH_OUT64(0))    \
  PLANISH_WARPGROUP_MMA(type, 192, PLANISH_NAMES96, "%96", "%97", PLANISH_OUT64(0),    \
                        PLANISH_OUT16(16), PLANISH_OUT16(20))                          \
  PLANISH_WARPGROUP_MMA(type, 256, PLANISH_NAMES128, "%128", "%129", PLANISH_OUT64(0), \
                        PLANISH_OUT64(16))
  PLANISH_WARPGROUP_MMAS(f16)
  PLANISH_WARPGROUP_MMAS(bf16)
#undef PLANISH_WARPGROUP_MMAS
#undef PLANISH_WARPGROUP_MMA
#undef PLANISH_NAMES128
#undef PLANISH_NAMES96
#undef PLANISH_NAMES64
#undef PLANISH_NAMES32
#undef PLANISH_NAMES16
#undef PLANISH_TEN
#undef PLANISH_TEN0
#undef PLANISH_OUT64
#undef PLANISH_OUT16
#undef PLANISH_OUT4
#else
  template <class T, class C>
  PLANISH_DEVICE void multiply(T, C&, u64, u64) {
    __trap();
  }
#endif
};

// --- kernels one after another
// --------------------------------------------------------------------

// Lets the next kernel of the stream start its part before wait_for_predecessor().
PLANISH_DEVICE void release_successor() {
#if PLANISH_DEPENDENT_LAUNCH && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
// Every thread calls it before its first access to memory that kernels write; before it, only
// weights may be read.
PLANISH_DEVICE void wait_for_predecessor() {
#if PLANISH_DEPENDENT_LAUNCH && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace planish

#endif
