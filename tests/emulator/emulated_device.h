// SPDX-License-Identifier: Apache-2.0
// The host twin of src/backend/cuda/kernels/device.cuh: the same functions, done by the block
// emulator. Included by device.cuh only. Every access is checked; functions of a warp meet in
// Machine::exchange.
#pragma once

#include "machine.h"

extern "C" {
// The C library's functions that expression.cuh calls; <cmath> is slow to compile.
#define PLANISH_LIBRARY(name)    \
  float name##f(float) noexcept; \
  double name(double) noexcept;
PLANISH_LIBRARY(floor)
PLANISH_LIBRARY(ceil)
PLANISH_LIBRARY(rint)
PLANISH_LIBRARY(sqrt)
PLANISH_LIBRARY(exp)
PLANISH_LIBRARY(expm1)
PLANISH_LIBRARY(log)
PLANISH_LIBRARY(log1p)
PLANISH_LIBRARY(erf)
PLANISH_LIBRARY(sin)
PLANISH_LIBRARY(cos)
PLANISH_LIBRARY(tan)
PLANISH_LIBRARY(asin)
PLANISH_LIBRARY(acos)
PLANISH_LIBRARY(atan)
PLANISH_LIBRARY(sinh)
PLANISH_LIBRARY(cosh)
PLANISH_LIBRARY(tanh)
PLANISH_LIBRARY(asinh)
PLANISH_LIBRARY(acosh)
PLANISH_LIBRARY(atanh)
#undef PLANISH_LIBRARY
float fmodf(float, float) noexcept;
double fmod(double, double) noexcept;
float powf(float, float) noexcept;
double pow(double, double) noexcept;

__attribute__((visibility("default"))) inline planish::emulator::Machine* planish_machine = nullptr;
}

namespace planish {

namespace emulated {
using emulator::Access;
using emulator::Fault;
using emulator::Machine;
inline Machine& machine() { return *planish_machine; }

inline void check_shared(const void* at, size_t bytes, size_t alignment, int line) {
  Machine& m = machine();
  const auto offset = static_cast<u64>(static_cast<const unsigned char*>(at) - m.shared);
  if (offset + bytes > m.shared_bytes || offset > m.shared_bytes) {
    m.fail(m, Fault::kOutOfBounds, "shared", offset, line);
  }
  if (offset % alignment != 0) m.fail(m, Fault::kMisaligned, "shared", offset, line);
}
inline void read_shared(const void* at, void* to, size_t bytes, size_t alignment, int line) {
  check_shared(at, bytes, alignment, line);
  Machine& m = machine();
  const size_t offset = static_cast<const unsigned char*>(at) - m.shared;
  for (size_t i = 0; i < bytes; ++i) {
    if (m.shared_states[offset + i] != emulator::kWritten) {
      m.fail(
          m, Fault::kUninitialisedRead,
          m.shared_states[offset + i] == emulator::kInFlight ? "shared, copy under way" : "shared",
          offset + i, line);
    }
  }
  __builtin_memcpy(to, at, bytes);
}
inline void write_shared(void* at, const void* from, size_t bytes, size_t alignment, int line) {
  check_shared(at, bytes, alignment, line);
  Machine& m = machine();
  __builtin_memset(m.shared_states + (static_cast<unsigned char*>(at) - m.shared),
                   emulator::kWritten, bytes);
  __builtin_memcpy(at, from, bytes);
}
template <class T>
T read_global(const void* from, Access access, int line) {
  Machine& m = machine();
  constexpr size_t kAlignment = sizeof(T) < 16 ? sizeof(T) : 16;
  if (reinterpret_cast<size_t>(from) % kAlignment != 0) {
    m.fail(m, Fault::kMisaligned, "global", reinterpret_cast<size_t>(from), line);
  }
  m.check_global(m, from, sizeof(T), access, line);
  T value;
  __builtin_memcpy(&value, from, sizeof(T));
  return value;
}
template <class T>
void write_global(void* to, const T& value, int line) {
  Machine& m = machine();
  constexpr size_t kAlignment = sizeof(T) < 16 ? sizeof(T) : 16;
  if (reinterpret_cast<size_t>(to) % kAlignment != 0) {
    m.fail(m, Fault::kMisaligned, "global", reinterpret_cast<size_t>(to), line);
  }
  m.check_global(m, to, sizeof(T), Access::kWrite, line);
  __builtin_memcpy(to, &value, sizeof(T));
}
// NOLINTBEGIN(bugprone-sizeof-expression): lanes bring pointers too.
// What all lanes brought; each lane's T lies in a slot of its own.
template <class T>
struct Slots {
  const unsigned char* base;
  T operator[](u32 lane) const {
    T value;
    __builtin_memcpy(&value, base + lane * emulator::kSlotBytes, sizeof(T));
    return value;
  }
};
template <class T>
Slots<T> exchange(int instruction, const T& mine) {
  static_assert(sizeof(T) <= emulator::kSlotBytes);
  Machine& m = machine();
  return {m.exchange(m, instruction, &mine, sizeof(T))};
}
// NOLINTEND(bugprone-sizeof-expression)
enum Instruction { kSyncWarp, kShuffle, kBallot, kLoadMatrix, kMma };
}  // namespace emulated

// --- where am I
// -----------------------------------------------------------------------------------

inline u32 thread_index() { return emulated::machine().thread; }
inline u32 block_threads() { return emulated::machine().threads; }
inline u32 lane_index() { return thread_index() & 31; }
inline u32 warp_index() { return thread_index() >> 5; }
inline u32 block_x() { return emulated::machine().block[0]; }
inline u32 block_y() { return emulated::machine().block[1]; }
inline u32 block_z() { return emulated::machine().block[2]; }
inline u32 grid_x() { return emulated::machine().grid[0]; }
inline u32 grid_y() { return emulated::machine().grid[1]; }
inline u32 grid_z() { return emulated::machine().grid[2]; }

// --- registers
// ------------------------------------------------------------------------------------

inline u32 float_bits(float x) { return __builtin_bit_cast(u32, x); }
inline float float_of_bits(u32 x) { return __builtin_bit_cast(float, x); }

inline float to_float(f16 x) {
  const u32 sign = static_cast<u32>(x.bits & 0x8000) << 16;
  const u32 rest = x.bits & 0x7fffu;
  if (rest >= 0x7c00) return float_of_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  // 2^112 carries the exponent from f16's bias to f32's, subnormal numbers included.
  return float_of_bits(sign | float_bits(float_of_bits(rest << 13) * 0x1p112f));
}
inline float to_float(bf16 x) { return float_of_bits(static_cast<u32>(x.bits) << 16); }
inline f16 to_f16(float x) {
  const u32 bits = float_bits(x);
  const auto sign = static_cast<u16>((bits >> 16) & 0x8000);
  const u32 rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return {static_cast<u16>(0x7fff)};
  if (rest >= 0x477ff000) return {static_cast<u16>(sign | 0x7c00)};
  if (rest < 0x38800000) {  // subnormal: the addition rounds at 2^-24
    const float magic = 0.5f;
    return {static_cast<u16>(sign | (float_bits(float_of_bits(rest) + magic) - float_bits(magic)))};
  }
  const u32 rounded = rest + 0xfff + ((rest >> 13) & 1);
  return {static_cast<u16>(sign | ((rounded - 0x38000000) >> 13))};
}
inline bf16 to_bf16(float x) {
  const u32 bits = float_bits(x);
  if (x != x) return {static_cast<u16>(0x7fff)};
  return {static_cast<u16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}
inline u32 pack_pair(f16, float low, float high) {
  return to_f16(low).bits | static_cast<u32>(to_f16(high).bits) << 16;
}
inline u32 pack_pair(bf16, float low, float high) {
  return to_bf16(low).bits | static_cast<u32>(to_bf16(high).bits) << 16;
}
inline u32 to_tf32(float x) {
  const u32 bits = float_bits(x);
  if ((bits & 0x7f800000) == 0x7f800000) return bits;
  return (bits + 0x1000) & 0xffffe000;
}
inline float exp2_approx(float x) { return __builtin_exp2f(x); }
inline float reciprocal_approx(float x) { return 1.0f / x; }
inline float tanh_approx(float x) { return ::tanhf(x); }
inline float divide_approx(float x, float y) { return x / y; }
inline float sqrt_approx(float x) { return ::sqrtf(x); }
inline float rsqrt_approx(float x) { return 1.0f / ::sqrtf(x); }

// --- global memory
// --------------------------------------------------------------------------------

template <class T>
T load(const T* from, int line = __builtin_LINE()) {
  return emulated::read_global<T>(from, emulated::Access::kRead, line);
}
template <class T>
void store(T* to, T value, int line = __builtin_LINE()) {
  emulated::write_global(to, value, line);
}
template <int N, class T>
Pack<T, N> load_pack(const T* from, int line = __builtin_LINE()) {
  return emulated::read_global<Pack<T, N>>(from, emulated::Access::kRead, line);
}
template <class T, int N>
void store_pack(T* to, const Pack<T, N>& value, int line = __builtin_LINE()) {
  emulated::write_global(to, value, line);
}
template <int N, class T>
Pack<T, N> load_constant_pack(const T* from, int line = __builtin_LINE()) {
  return emulated::read_global<Pack<T, N>>(from, emulated::Access::kConstantRead, line);
}
template <class T>
T load_fresh(const T* from, int line = __builtin_LINE()) {
  return emulated::read_global<T>(from, emulated::Access::kRead, line);
}
inline void prefetch_l2(const void*) {}
inline void fence_device() {}
namespace emulated {
template <class T>
T atomic_add(T* to, T value, int line) {
  machine().yield(machine());
  const T old = read_global<T>(to, Access::kRead, line);
  write_global<T>(to, old + value, line);
  return old;
}
template <class T>
T atomic_add_shared(T* to, T value, int line) {
  machine().yield(machine());
  T old;
  read_shared(to, &old, sizeof(T), sizeof(T), line);
  const T sum = old + value;
  write_shared(to, &sum, sizeof(T), sizeof(T), line);
  return old;
}
}  // namespace emulated
inline i32 atomic_add(i32* to, i32 value, int line = __builtin_LINE()) {
  return emulated::atomic_add(to, value, line);
}
inline float atomic_add(float* to, float value, int line = __builtin_LINE()) {
  return emulated::atomic_add(to, value, line);
}
inline u32 atomic_exchange_if(u32* to, u32 expected, u32 value, int line = __builtin_LINE()) {
  emulated::machine().yield(emulated::machine());
  const u32 old = emulated::read_global<u32>(to, emulated::Access::kRead, line);
  if (old == expected) emulated::write_global<u32>(to, value, line);
  return old;
}

// --- shared memory
// --------------------------------------------------------------------------------

template <class T>
struct Shared {
  T* base;
  T get(int i, int line = __builtin_LINE()) const {
    T value;
    emulated::read_shared(base + i, &value, sizeof(T), alignof(T), line);
    return value;
  }
  void set(int i, T value, int line = __builtin_LINE()) const {
    emulated::write_shared(base + i, &value, sizeof(T), alignof(T), line);
  }
  template <int N>
  Pack<T, N> get_pack(int i, int line = __builtin_LINE()) const {
    Pack<T, N> value;
    emulated::read_shared(base + i, &value, sizeof(value), alignof(Pack<T, N>), line);
    return value;
  }
  template <int N>
  void set_pack(int i, const Pack<T, N>& value, int line = __builtin_LINE()) const {
    emulated::write_shared(base + i, &value, sizeof(value), alignof(Pack<T, N>), line);
  }
  Shared<T> from(int i) const { return {base + i}; }
};
template <class T>
Shared<T> shared_array(u32 byte_offset) {
  return {reinterpret_cast<T*>(emulated::machine().shared + byte_offset)};
}
inline float atomic_add_shared(Shared<float> a, int i, float value, int line = __builtin_LINE()) {
  return emulated::atomic_add_shared(a.base + i, value, line);
}
inline i32 atomic_add_shared(Shared<i32> a, int i, i32 value, int line = __builtin_LINE()) {
  return emulated::atomic_add_shared(a.base + i, value, line);
}

inline void sync_cluster(u32 size) {
  emulated::machine().cluster_barrier(emulated::machine(), size);
}
template <class T>
Pack<T, 4> load_from_block(Shared<T> array, int i, u32 rank, u32 size,
                           int line = __builtin_LINE()) {
  emulated::Machine& m = emulated::machine();
  emulated::check_shared(array.base + i, 16, 16, line);
  const size_t offset = reinterpret_cast<unsigned char*>(array.base + i) - m.shared;
  unsigned char* states = nullptr;
  const unsigned char* shared = m.peer_shared(m, rank, size, &states);
  for (size_t b = 0; b < 16; ++b) {
    if (states[offset + b] != emulator::kWritten) {
      m.fail(m, emulated::Fault::kUninitialisedRead, "shared of another block", offset + b, line);
    }
  }
  Pack<T, 4> value;
  __builtin_memcpy(&value, shared + offset, 16);
  return value;
}

template <int kBytes, class T>
void copy_async(Shared<T> to, int i, const T* from, int valid, int line = __builtin_LINE()) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  emulated::check_shared(to.base + i, kBytes, kBytes, line);
  emulated::Machine& m = emulated::machine();
  const size_t offset = reinterpret_cast<unsigned char*>(to.base + i) - m.shared;
  if (valid < 0 || valid > kBytes) m.fail(m, emulated::Fault::kOutOfBounds, "copy", valid, line);
  if (valid > 0 && reinterpret_cast<size_t>(from) % kBytes != 0) {
    m.fail(m, emulated::Fault::kMisaligned, "copy", reinterpret_cast<size_t>(from), line);
  }
  m.copy_async(m, static_cast<u32>(offset), from, kBytes, static_cast<u32>(valid), line);
}
inline void commit_copies() { emulated::machine().commit_copies(emulated::machine()); }
template <int kPending>
void wait_copies() {
  emulated::machine().wait_copies(emulated::machine(), kPending);
}

// --- threads together
// -----------------------------------------------------------------------------

inline void sync_block() { emulated::machine().barrier(emulated::machine(), 0, block_threads()); }
inline void sync_group(u32 id, u32 threads) {
  emulated::machine().barrier(emulated::machine(), id, threads);
}
inline void sync_warp() { emulated::exchange(emulated::kSyncWarp, 0); }
template <class T>
T shuffle_xor(T value, u32 mask) {
  const u32 lane = lane_index();
  return emulated::exchange(emulated::kShuffle, value)[lane ^ mask];
}
template <class T>
T shuffle_from(T value, u32 lane) {
  return emulated::exchange(emulated::kShuffle, value)[lane & 31];
}
template <class T>
T shuffle_up(T value, u32 distance) {
  const u32 lane = lane_index();
  return emulated::exchange(emulated::kShuffle, value)[lane < distance ? lane : lane - distance];
}
inline u32 ballot(bool vote) {
  const auto votes = emulated::exchange(emulated::kBallot, vote);
  u32 bits = 0;
  for (u32 lane = 0; lane < 32; ++lane) bits |= static_cast<u32>(votes[lane]) << lane;
  return bits;
}

template <class T>
void load_matrix(u32 (&out)[4], Shared<T> rows, int i, int line = __builtin_LINE()) {
  const auto at = emulated::exchange(emulated::kLoadMatrix, rows.base + i);
  const u32 lane = lane_index();
  for (u32 m = 0; m < 4; ++m) {
    emulated::check_shared(at[8 * m + lane / 4], 16, 16, line);
    const auto* row = reinterpret_cast<const unsigned char*>(at[8 * m + lane / 4]);
    emulated::read_shared(row + 4 * (lane % 4), &out[m], 4, 4, line);
  }
}
template <class T>
void load_matrix_transposed(u32 (&out)[4], Shared<T> rows, int i, int line = __builtin_LINE()) {
  const auto at = emulated::exchange(emulated::kLoadMatrix, rows.base + i);
  const u32 lane = lane_index();
  for (u32 m = 0; m < 4; ++m) {
    u16 halves[2];
    for (u32 h = 0; h < 2; ++h) {
      T* row = at[8 * m + 2 * (lane % 4) + h];
      emulated::check_shared(row, 16, 16, line);
      emulated::read_shared(reinterpret_cast<const unsigned char*>(row) + 2 * (lane / 4),
                            &halves[h], 2, 2, line);
    }
    out[m] = halves[0] | static_cast<u32>(halves[1]) << 16;
  }
}

namespace emulated {
struct Fragments {
  u32 a[4];
  u32 b[2];
};
// Element e of the row of A (or column of B) that four lanes hold, kPer elements a register.
template <class T, int kPer>
auto element(u32 word, int e) {
  if constexpr (kSame<T, f32>) {
    return float_of_bits(word & 0xffffe000u);
  } else if constexpr (kIsHalf<T>) {
    return to_float(T{static_cast<u16>(word >> (16 * e))});
  } else {
    return static_cast<i32>(static_cast<T>(word >> (8 * e)));
  }
}
template <class A, class B, int kPer, class C>
void multiply(C (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  Fragments mine;
  __builtin_memcpy(mine.a, a, sizeof(a));
  __builtin_memcpy(mine.b, b, sizeof(b));
  const auto all = exchange(kMma, mine);
  const u32 lane = lane_index();
  const u32 g = lane / 4;
  const u32 t = lane % 4;
  for (u32 q = 0; q < 4; ++q) {
    const Fragments row = all[4 * g + q];
    for (u32 column = 0; column < 2; ++column) {
      const Fragments right = all[4 * (2 * t + column) + q];
      for (int half = 0; half < 2; ++half) {
        for (int e = 0; e < kPer; ++e) {
          const auto y = element<B, kPer>(right.b[half], e);
          c[column] += element<A, kPer>(row.a[2 * half], e) * y;
          c[2 + column] += element<A, kPer>(row.a[2 * half + 1], e) * y;
        }
      }
    }
  }
}
}  // namespace emulated
inline void mma(f16, float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulated::multiply<f16, f16, 2>(c, a, b);
}
inline void mma(bf16, float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulated::multiply<bf16, bf16, 2>(c, a, b);
}
inline void mma(f32, float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulated::multiply<f32, f32, 1>(c, a, b);
}
inline void mma(i8, i32 (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulated::multiply<i8, i8, 4>(c, a, b);
}
inline void mma(u8, i32 (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  emulated::multiply<u8, i8, 4>(c, a, b);
}

// Products in the background are computed when they are waited for; what they read must be there
// when they are issued too. A missing publish() is not seen.
struct WarpgroupUnit {
  static void publish() {}
  void accept() {}
  void commit() { ++groups_; }
  template <int kPending>
  void wait(int line = __builtin_LINE()) {
    int kept = 0;
    for (int i = 0; i < count_; ++i) {
      if (groups_ - work_[i].group <= kPending) {
        work_[kept++] = work_[i];
      } else {
        work_[i].run(work_[i], line);
      }
    }
    count_ = kept;
  }
  template <int N, class T>
  void multiply(float (&c)[N / 8][4], Shared<T> a, int i_a, Shared<T> b, int i_b,
                int line = __builtin_LINE()) {
    static_assert(N == 32 || N == 64 || N == 128 || N == 192 || N == 256);
    emulated::Machine& m = emulated::machine();
    const Work work{&compute<T, N>, &c[0][0], place(a.base + i_a, line), place(b.base + i_b, line),
                    groups_};
    u16 probe;
    for (int k = 0; k < 16; ++k) {
      for (int row = 0; row < 2; ++row) read(work.a, row_of_a() + 8 * row, k, &probe, line);
      for (int column = 0; column < N; column += 8)
        read(work.b, column + static_cast<int>(lane_index() / 4), k, &probe, line);
    }
    if (count_ == kMost) m.fail(m, emulated::Fault::kRunaway, "products under way", kMost, line);
    work_[count_++] = work;
  }

 private:
  struct Work {
    void (*run)(const Work&, int line);
    float* c;
    u64 a, b;  // offsets in shared memory
    int group;
  };
  static u64 place(const void* at, int line) {
    emulated::Machine& m = emulated::machine();
    const auto offset = static_cast<u64>(static_cast<const unsigned char*>(at) - m.shared);
    if (offset % 1024 >= 128 || offset % 32 != 0)
      m.fail(m, emulated::Fault::kMisaligned, "operand of a warp group", offset, line);
    return offset;
  }
  static int row_of_a() { return static_cast<int>(warp_index() % 4 * 16 + lane_index() / 4); }
  static void read(u64 operand, int row, int k, u16* to, int line) {
    const u64 linear = operand + static_cast<u64>(row) * 128 + static_cast<u64>(k) * 2;
    const u64 at = linear ^ ((linear >> 7 & 7) << 4);
    emulated::read_shared(emulated::machine().shared + at, to, 2, 2, line);
  }
  template <class T, int N>
  static void compute(const Work& work, int line) {
    T a[2][16], b[16];
    for (int k = 0; k < 16; ++k)
      for (int half = 0; half < 2; ++half)
        read(work.a, row_of_a() + 8 * half, k, &a[half][k].bits, line);
    for (int j = 0; j < N / 8; ++j) {
      for (int e = 0; e < 2; ++e) {
        const int column = 8 * j + static_cast<int>(lane_index() % 4) * 2 + e;
        for (int k = 0; k < 16; ++k) read(work.b, column, k, &b[k].bits, line);
        for (int half = 0; half < 2; ++half) {
          float sum = work.c[4 * j + 2 * half + e];
          for (int k = 0; k < 16; ++k) sum += to_float(a[half][k]) * to_float(b[k]);
          work.c[4 * j + 2 * half + e] = sum;
        }
      }
    }
  }

  static constexpr int kMost = 64;
  Work work_[kMost];
  int count_ = 0;
  int groups_ = 0;
};

// --- kernels one after another
// --------------------------------------------------------------------

inline void release_successor() {}
inline void wait_for_predecessor() {
  emulated::machine().wait_for_predecessor(emulated::machine());
}

}  // namespace planish
