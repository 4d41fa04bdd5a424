// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/pointwise_table.h"

#include "backend/cpu/kernels/pointwise_vec.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

constexpr uint32_t kFloats = PointwiseClass::kFloats;
constexpr uint32_t kSigned = PointwiseClass::kSigned;
constexpr uint32_t kUnsigned = PointwiseClass::kUnsigned;
constexpr uint32_t kBools = PointwiseClass::kBools;
constexpr uint32_t kByDouble = PointwiseClass::kByDouble;

// `k` of the expressions.
template <class T>
struct Constant {
  PLANISH_INLINE T operator()(double x) const {
    if constexpr (std::is_same_v<T, Vec>) {
      return Vec::broadcast(static_cast<float>(x));
    } else {
      return static_cast<T>(x);
    }
  }
};

PLANISH_INLINE Vec as_value(Vec v) { return v; }
PLANISH_INLINE Vec as_value(Mask m) { return indicator(m); }
PLANISH_INLINE int64_t as_value(int64_t v) { return v; }
PLANISH_INLINE int64_t as_value(bool v) { return v ? 1 : 0; }

// A type for each row: how many values it reads, of which classes, and its expression.
#define PLANISH_NONE
#define PLANISH_FLOAT(name, value) [[maybe_unused]] const float name = *attributes++;
#define PLANISH_INT(name, value) PLANISH_FLOAT(name, value)
#define PLANISH_CHOICE(name, first, second) PLANISH_FLOAT(name, 0)
#define PLANISH_POINTWISE(NAME, INPUTS, CLASSES, RESULT, COST, TOLERANCE, ATTRIBUTES, ...) \
  struct NAME##Row {                                                                       \
    static constexpr uint32_t kClasses = CLASSES;                                          \
    static constexpr PointwiseInputs kInputs = PointwiseInputs::INPUTS;                    \
    template <class T>                                                                     \
    PLANISH_INLINE static auto value([[maybe_unused]] T a, [[maybe_unused]] T b,           \
                                     [[maybe_unused]] T c,                                 \
                                     [[maybe_unused]] const float* attributes) {           \
      [[maybe_unused]] constexpr Constant<T> k{};                                          \
      ATTRIBUTES return as_value(__VA_ARGS__);                                             \
    }                                                                                      \
  };
#include "ops/pointwise.def"
#undef PLANISH_POINTWISE
#undef PLANISH_NONE
#undef PLANISH_FLOAT
#undef PLANISH_INT
#undef PLANISH_CHOICE

struct CopyRow {
  [[maybe_unused]] static constexpr uint32_t kClasses = kFloats | kSigned;
  static constexpr PointwiseInputs kInputs = PointwiseInputs::kUnary;
  template <class T>
  PLANISH_INLINE static T value(T a, T, T, const float*) {
    return a;
  }
};

struct ToTruthRow {
  [[maybe_unused]] static constexpr uint32_t kClasses = kFloats | kSigned;
  static constexpr PointwiseInputs kInputs = PointwiseInputs::kUnary;
  template <class T>
  PLANISH_INLINE static T value(T a, T, T, const float*) {
    return as_value(truth(a));
  }
};

constexpr int arity_of(PointwiseInputs inputs) {
  return PointwiseRow{{}, inputs, 0, PointwiseResult::kSame, 0, 0, {}, {}}.arity();
}

template <class Row>
void loop_f32(const TapeLoop& loop) {
  constexpr int kArity = arity_of(Row::kInputs);
  const int64_t step_a = loop.steps[0] ? kLanes : 0;
  const int64_t step_b = kArity > 1 && loop.steps[1] ? kLanes : 0;
  const int64_t step_c = kArity > 2 && loop.steps[2] ? kLanes : 0;
  for (int64_t row = 0; row < loop.rows; ++row) {
    float* dst = static_cast<float*>(loop.dst) + row * loop.dst_row;
    const float* pa = static_cast<const float*>(loop.src[0]) + row * loop.src_row[0];
    const float* pb = pa;
    const float* pc = pa;
    if constexpr (kArity > 1) pb = static_cast<const float*>(loop.src[1]) + row * loop.src_row[1];
    if constexpr (kArity > 2) pc = static_cast<const float*>(loop.src[2]) + row * loop.src_row[2];
    int64_t left = loop.cols;
    for (; left >= kLanes; left -= kLanes) {
      const Vec a = Vec::load(pa);
      const Vec b = kArity > 1 ? Vec::load(pb) : a;
      const Vec c = kArity > 2 ? Vec::load(pc) : a;
      Row::template value<Vec>(a, b, c, loop.attributes).store(dst);
      dst += kLanes;
      pa += step_a;
      pb += step_b;
      pc += step_c;
    }
    if (left > 0) {
      const int part = static_cast<int>(left);
      const Vec a = Vec::load_part(pa, part);
      const Vec b = kArity > 1 ? Vec::load_part(pb, part) : a;
      const Vec c = kArity > 2 ? Vec::load_part(pc, part) : a;
      Row::template value<Vec>(a, b, c, loop.attributes).store_part(dst, part);
    }
  }
}

template <class Row>
void loop_i64(const TapeLoop& loop) {
  constexpr int kArity = arity_of(Row::kInputs);
  const bool dense =
      loop.steps[0] && (kArity < 2 || loop.steps[1]) && (kArity < 3 || loop.steps[2]);
  const int64_t sa = loop.steps[0] ? 1 : 0;
  const int64_t sb = kArity > 1 && loop.steps[1] ? 1 : 0;
  const int64_t sc = kArity > 2 && loop.steps[2] ? 1 : 0;
  for (int64_t row = 0; row < loop.rows; ++row) {
    auto* dst = static_cast<int64_t*>(loop.dst) + row * loop.dst_row;
    const auto* a = static_cast<const int64_t*>(loop.src[0]) + row * loop.src_row[0];
    const int64_t* b = a;
    const int64_t* c = a;
    if constexpr (kArity > 1) b = static_cast<const int64_t*>(loop.src[1]) + row * loop.src_row[1];
    if constexpr (kArity > 2) c = static_cast<const int64_t*>(loop.src[2]) + row * loop.src_row[2];
    if (dense) {
      for (int64_t i = 0; i < loop.cols; ++i) {
        dst[i] = Row::template value<int64_t>(a[i], b[i], c[i], loop.attributes);
      }
    } else {
      for (int64_t i = 0; i < loop.cols; ++i) {
        dst[i] = Row::template value<int64_t>(a[i * sa], b[i * sb], c[i * sc], loop.attributes);
      }
    }
  }
}

template <class Row>
constexpr PointwiseTable::Loop f32_or_null() {
  if constexpr ((Row::kClasses & (kFloats | kBools)) != 0) {
    return loop_f32<Row>;
  } else {
    return nullptr;
  }
}

template <class Row>
constexpr PointwiseTable::Loop i64_or_null() {
  if constexpr ((Row::kClasses & (kSigned | kUnsigned | kBools)) != 0) {
    return loop_i64<Row>;
  } else {
    return nullptr;
  }
}

// Conversions.

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
struct Truth {
  uint8_t byte;
};

// Towards zero; NaN and what does not fit give INT64_MIN, as the hardware does.
PLANISH_INLINE int64_t whole_part(float x) {
  return x >= -9223372036854775808.0f && x < 9223372036854775808.0f ? static_cast<int64_t>(x)
                                                                    : INT64_MIN;
}

template <class To, class From>
PLANISH_INLINE To convert(From x) {
  if constexpr (std::is_same_v<From, Half>) {
    return static_cast<To>(static_cast<float>(__builtin_bit_cast(_Float16, x.bits)));
  } else if constexpr (std::is_same_v<From, BFloat>) {
    return static_cast<To>(__builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16));
  } else if constexpr (std::is_same_v<From, Truth>) {
    return static_cast<To>(x.byte != 0);
  } else if constexpr (std::is_same_v<To, Half>) {
    return {__builtin_bit_cast(uint16_t, static_cast<_Float16>(x))};
  } else if constexpr (std::is_same_v<To, BFloat>) {
    // To nearest, ties to even; NaN stays a quiet NaN.
    const auto bits = __builtin_bit_cast(uint32_t, static_cast<float>(x));
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    return {static_cast<uint16_t>(nan ? (bits >> 16) | 0x40 : rounded)};
  } else if constexpr (std::is_same_v<To, Truth>) {
    return {static_cast<uint8_t>(x != From(0))};
  } else if constexpr (std::is_same_v<From, float> && std::is_integral_v<To>) {
    return static_cast<To>(whole_part(x));
  } else {
    return static_cast<To>(x);
  }
}

template <class Register, class Memory>
void load(void* dst, const void* src, int64_t stride, int64_t n) {
  auto* __restrict to = static_cast<Register*>(dst);
  const auto* __restrict from = static_cast<const Memory*>(src);
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) to[i] = convert<Register>(from[i]);
  } else if (stride == 0) {
    const Register value = convert<Register>(from[0]);
    for (int64_t i = 0; i < n; ++i) to[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = convert<Register>(from[i * stride]);
  }
}

// Floats within 32 bits are cut by one instruction a vector.
template <class Memory>
PLANISH_INLINE void store_integers(Memory* __restrict to, const float* __restrict from, int64_t n) {
  constexpr int64_t kBlock = 64;
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    int fits = 1;
    for (int64_t j = 0; j < kBlock; ++j)
      fits &= static_cast<int>(from[i + j] >= -2147483648.0f) &
              static_cast<int>(from[i + j] < 2147483648.0f);
    if (fits != 0) {
      for (int64_t j = 0; j < kBlock; ++j)
        to[i + j] = static_cast<Memory>(static_cast<int32_t>(from[i + j]));
    } else {
      for (int64_t j = 0; j < kBlock; ++j) to[i + j] = convert<Memory>(from[i + j]);
    }
  }
  for (; i < n; ++i) to[i] = convert<Memory>(from[i]);
}

template <class Register, class Memory>
void store(void* dst, int64_t stride, const void* src, int64_t n) {
  auto* __restrict to = static_cast<Memory*>(dst);
  const auto* __restrict from = static_cast<const Register*>(src);
  if (stride == 1) {
    if constexpr (std::is_same_v<Register, float> && std::is_integral_v<Memory> &&
                  sizeof(Memory) <= sizeof(int32_t))
      store_integers(to, from, n);
    else
      for (int64_t i = 0; i < n; ++i) to[i] = convert<Memory>(from[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * stride] = convert<Memory>(from[i]);
  }
}

template <class Memory>
void wrap(int64_t* data, int64_t n) {
  for (int64_t i = 0; i < n; ++i) data[i] = convert<int64_t>(convert<Memory>(data[i]));
}

void to_i64(const TapeLoop& loop) {
  for (int64_t row = 0; row < loop.rows; ++row) {
    auto* dst = static_cast<int64_t*>(loop.dst) + row * loop.dst_row;
    const auto* src = static_cast<const float*>(loop.src[0]) + row * loop.src_row[0];
    const int64_t step = loop.steps[0] ? 1 : 0;
    for (int64_t i = 0; i < loop.cols; ++i) dst[i] = whole_part(src[i * step]);
  }
}

void to_f32(const TapeLoop& loop) {
  for (int64_t row = 0; row < loop.rows; ++row) {
    auto* dst = static_cast<float*>(loop.dst) + row * loop.dst_row;
    const auto* src = static_cast<const int64_t*>(loop.src[0]) + row * loop.src_row[0];
    const int64_t step = loop.steps[0] ? 1 : 0;
    for (int64_t i = 0; i < loop.cols; ++i) dst[i] = static_cast<float>(src[i * step]);
  }
}

template <class Memory>
constexpr void add_integer(PointwiseTable& table, DType type) {
  const auto i = static_cast<int>(type);
  table.load_f32[i] = load<float, Memory>;
  table.load_i64[i] = load<int64_t, Memory>;
  table.store_f32[i] = store<float, Memory>;
  table.store_i64[i] = store<int64_t, Memory>;
  table.wrap[i] = wrap<Memory>;
}

template <class Memory>
constexpr void add_float(PointwiseTable& table, DType type) {
  table.load_f32[static_cast<int>(type)] = load<float, Memory>;
  table.store_f32[static_cast<int>(type)] = store<float, Memory>;
}

constexpr PointwiseTable make_table() {
  PointwiseTable table{};
  table.lanes = kLanes;
  int row = 0;
#define PLANISH_POINTWISE(NAME, ...)         \
  table.f32[row] = f32_or_null<NAME##Row>(); \
  table.i64[row] = i64_or_null<NAME##Row>(); \
  ++row;
#include "ops/pointwise.def"
#undef PLANISH_POINTWISE
  table.f32[kTapeCopy] = loop_f32<CopyRow>;
  table.i64[kTapeCopy] = loop_i64<CopyRow>;
  table.f32[kTapeToTruth] = loop_f32<ToTruthRow>;
  table.i64[kTapeToTruth] = loop_i64<ToTruthRow>;
  table.i64[kTapeToF32] = to_f32;
  table.f32[kTapeToI64] = to_i64;

  add_float<float>(table, DType::kF32);
  add_float<double>(table, DType::kF64);
  add_float<Half>(table, DType::kF16);
  add_float<BFloat>(table, DType::kBF16);
  add_integer<uint8_t>(table, DType::kU8);
  add_integer<int8_t>(table, DType::kI8);
  add_integer<uint16_t>(table, DType::kU16);
  add_integer<int16_t>(table, DType::kI16);
  add_integer<uint32_t>(table, DType::kU32);
  add_integer<int32_t>(table, DType::kI32);
  add_integer<int64_t>(table, DType::kI64);
  add_integer<Truth>(table, DType::kBool);
  return table;
}

}  // namespace

extern const PointwiseTable kPointwise;
constinit const PointwiseTable kPointwise = make_table();

}  // namespace planish::cpu::PLANISH_ISA
