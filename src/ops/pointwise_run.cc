// SPDX-License-Identifier: Apache-2.0
#include "ops/pointwise_run.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "tensor/elements.h"

namespace planish {
namespace {

#include "ops/pointwise_scalar.inc"

constexpr uint32_t kFloats = PointwiseClass::kFloats;
constexpr uint32_t kSigned = PointwiseClass::kSigned;
constexpr uint32_t kUnsigned = PointwiseClass::kUnsigned;
constexpr uint32_t kBools = PointwiseClass::kBools;
constexpr uint32_t kByDouble = PointwiseClass::kByDouble;

// The expressions.

template <class T>
struct Constant {
  T operator()(double x) const { return static_cast<T>(x); }
};

// Computes n elements; operands that the row does not have are null.
template <class T>
using Loop = void (*)(const T* a, const T* b, const T* c, const float* attributes, T* out,
                      int64_t n);

#define PLANISH_NONE
#define PLANISH_FLOAT(name, value) [[maybe_unused]] const double name = *attributes++;
#define PLANISH_INT(name, value) PLANISH_FLOAT(name, value)
#define PLANISH_CHOICE(name, first, second) PLANISH_FLOAT(name, 0)
#define PLANISH_POINTWISE(NAME, INPUTS, CLASSES, RESULT, COST, TOLERANCE, ATTRIBUTES, ...) \
  struct NAME##Row {                                                                       \
    static constexpr uint32_t kClasses = CLASSES;                                          \
    template <class T>                                                                     \
    static T value([[maybe_unused]] T a, [[maybe_unused]] T b, [[maybe_unused]] T c,       \
                   [[maybe_unused]] const float* attributes) {                             \
      [[maybe_unused]] constexpr Constant<T> k{};                                          \
      ATTRIBUTES return static_cast<T>(__VA_ARGS__);                                       \
    }                                                                                      \
  };
#include "ops/pointwise.def"
#undef PLANISH_POINTWISE
#undef PLANISH_NONE
#undef PLANISH_FLOAT
#undef PLANISH_INT
#undef PLANISH_CHOICE

template <class Row, class T>
void loop(const T* a, const T* b, const T* c, const float* attributes, T* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = Row::template value<T>(a[i], b == nullptr ? T() : b[i], c == nullptr ? T() : c[i],
                                    attributes);
  }
}

template <class Row, class T>
constexpr Loop<T> loop_or_null() {
  constexpr uint32_t kNeeded = std::is_same_v<T, double>    ? kFloats | kByDouble
                               : std::is_same_v<T, int64_t> ? kSigned | kUnsigned | kBools
                                                            : kUnsigned;
  if constexpr ((Row::kClasses & kNeeded) != 0) {
    return loop<Row, T>;
  } else {
    return nullptr;
  }
}

template <class T>
constexpr Loop<T> kLoops[] = {
#define PLANISH_POINTWISE(NAME, ...) loop_or_null<NAME##Row, T>(),
#include "ops/pointwise.def"
#undef PLANISH_POINTWISE
};

// Operands that broadcast.

constexpr int64_t kRunChunk = 1024;

// Reads an operand in the order of the output's elements, a chunk at a time.
template <class T>
class Reader {
 public:
  Reader(const Tensor& tensor, const Dims& out_dims) : tensor_(tensor) {
    same_ = tensor.count() == element_count(out_dims);
    if (same_) return;
    const size_t rank = out_dims.size();
    dims_ = out_dims;
    strides_.assign(rank, 0);
    at_.assign(rank, 0);
    int64_t stride = 1;
    for (size_t back = 1; back <= tensor.dims().size(); ++back) {
      const int64_t dim = tensor.dims()[tensor.dims().size() - back];
      if (dim != 1) strides_[rank - back] = stride;
      stride *= dim;
    }
    all_ = load<T>(tensor);
  }

  void next(int64_t first, int64_t n, T* out) {
    if (same_) return load<T>(tensor_, first, n, out);
    for (int64_t i = 0; i < n; ++i) {
      out[i] = all_[static_cast<size_t>(offset_)];
      advance();
    }
  }

 private:
  void advance() {
    for (size_t d = dims_.size(); d-- > 0;) {
      offset_ += strides_[d];
      if (++at_[d] < dims_[d]) return;
      at_[d] = 0;
      offset_ -= strides_[d] * dims_[d];
    }
  }

  const Tensor& tensor_;
  bool same_ = false;
  Dims dims_;
  Dims strides_;
  Dims at_;
  int64_t offset_ = 0;
  std::vector<T> all_;
};

// Kernels.

// Folds the inputs from the left by a two-operand loop; one, two or three inputs of a fixed row are
// the special case of one step.
template <class T>
void run_row(KernelContext& c, const PointwiseRow& row, Loop<T> loop, double scale) {
  float attributes[kMaxPointwiseAttributes];
  read_pointwise_attributes(row, c.attributes(), attributes);
  Tensor& out = c.output(0);
  std::vector<Reader<T>> readers;
  for (int i = 0; i < c.input_count(); ++i) readers.emplace_back(c.input(i), out.dims());
  std::vector<T> a(kRunChunk), b(kRunChunk), third(kRunChunk);
  const bool folds = row.inputs == PointwiseInputs::kVariadic;
  for (int64_t first = 0; first < out.count(); first += kRunChunk) {
    const int64_t n = std::min(kRunChunk, out.count() - first);
    readers[0].next(first, n, a.data());
    if (folds) {
      for (size_t i = 1; i < readers.size(); ++i) {
        readers[i].next(first, n, b.data());
        loop(a.data(), b.data(), nullptr, attributes, a.data(), n);
      }
    } else {
      if (readers.size() > 1) readers[1].next(first, n, b.data());
      if (readers.size() > 2) readers[2].next(first, n, third.data());
      loop(a.data(), readers.size() > 1 ? b.data() : nullptr,
           readers.size() > 2 ? third.data() : nullptr, attributes, a.data(), n);
    }
    if (scale != 1.0) {
      for (int64_t i = 0; i < n; ++i) a[i] = static_cast<T>(static_cast<double>(a[i]) / scale);
    }
    store<T>(out, first, n, a.data());
  }
}

// Absent bounds do not bound.
template <class T>
void run_clip(KernelContext& c, Loop<T> loop) {
  using Limits = std::numeric_limits<T>;
  const bool exact = std::is_same_v<T, double>;
  T low = exact ? -Limits::infinity() : Limits::lowest();
  T high = exact ? Limits::infinity() : Limits::max();
  if (c.has_input(1)) low = element<T>(c.input(1), 0);
  if (c.has_input(2)) high = element<T>(c.input(2), 0);
  const std::vector<T> lows(kRunChunk, low);
  const std::vector<T> highs(kRunChunk, high);
  std::vector<T> values(kRunChunk);
  Tensor& out = c.output(0);
  for (int64_t first = 0; first < out.count(); first += kRunChunk) {
    const int64_t n = std::min(kRunChunk, out.count() - first);
    load<T>(c.input(0), first, n, values.data());
    loop(values.data(), lows.data(), highs.data(), nullptr, values.data(), n);
    store<T>(out, first, n, values.data());
  }
}

// Where on elements that are moved only.
template <class T>
void run_where_moving(KernelContext& c) {
  Tensor& out = c.output(0);
  Reader<uint8_t> condition(c.input(0), out.dims());
  Reader<T> yes(c.input(1), out.dims());
  Reader<T> no(c.input(2), out.dims());
  std::vector<uint8_t> m(kRunChunk);
  std::vector<T> a(kRunChunk), b(kRunChunk);
  for (int64_t first = 0; first < out.count(); first += kRunChunk) {
    const int64_t n = std::min(kRunChunk, out.count() - first);
    condition.next(first, n, m.data());
    yes.next(first, n, a.data());
    no.next(first, n, b.data());
    for (int64_t i = 0; i < n; ++i) {
      if (m[i] == 0) a[i] = b[i];
    }
    store<T>(out, first, n, a.data());
  }
}

// Strings are reached by their index: a reader of the indices 0, 1, 2 ... of the operand.
Reader<int64_t> string_order(const Tensor& tensor, const Dims& out_dims, Tensor* indices) {
  *indices = Tensor(DType::kI64, tensor.dims());
  for (int64_t i = 0; i < tensor.count(); ++i) indices->as<int64_t>()[i] = i;
  return Reader<int64_t>(*indices, out_dims);
}

void run_strings(KernelContext& c) {
  Tensor& out = c.output(0);
  const bool where = c.op() == "Where";
  const int base = where ? 1 : 0;
  Tensor indices[2];
  Reader<int64_t> left = string_order(c.input(base), out.dims(), &indices[0]);
  Reader<int64_t> right = string_order(c.input(base + 1), out.dims(), &indices[1]);
  const auto& a = c.input(base).string_values();
  const auto& b = c.input(base + 1).string_values();
  std::optional<Reader<uint8_t>> condition;
  if (where) condition.emplace(c.input(0), out.dims());
  for (int64_t i = 0; i < out.count(); ++i) {
    int64_t l = 0;
    int64_t r = 0;
    left.next(i, 1, &l);
    right.next(i, 1, &r);
    uint8_t value = 0;
    if (where) {
      condition->next(i, 1, &value);
      out.string_values()[static_cast<size_t>(i)] = value != 0 ? a[l] : b[r];
    } else {
      value = a[l] == b[r];
      store<uint8_t>(out, i, 1, &value);
    }
  }
}

// What a row computes in for operands of these types.
DType computing_type(const PointwiseRow& row, DType type) {
  const DTypeClass kind = dtype_class(type);
  if (kind == DTypeClass::kFloat) return DType::kF64;
  const uint32_t whole = kSigned | kUnsigned | kBools;
  if ((row.classes & kByDouble) != 0 && (row.classes & whole) == 0) return DType::kF64;
  return type == DType::kU64 ? DType::kU64 : DType::kI64;
}

template <class T>
void run_as(KernelContext& c, int index, double scale) {
  const PointwiseRow& row = pointwise_row(index);
  const Loop<T> loop = kLoops<T>[index];
  if (loop == nullptr) c.fail("no kernel for these types", ErrorCode::kInternal);
  if (row.inputs == PointwiseInputs::kClip) return run_clip<T>(c, loop);
  run_row<T>(c, row, loop, scale);
}

void run_index(KernelContext& c, int index, double scale) {
  const PointwiseRow& row = pointwise_row(index);
  const bool where = row.inputs == PointwiseInputs::kWhere;
  const DType type = c.input(where ? 1 : 0).dtype();
  if (type == DType::kString) return run_strings(c);
  if (is_complex(type)) return run_where_moving<std::complex<double>>(c);
  DType computing = computing_type(row, type);
  // A power of a whole number by a fraction is computed as fractions are.
  if (row.inputs == PointwiseInputs::kPower && is_float(c.input(1).dtype()))
    computing = DType::kF64;
  if (where) {
    if (computing == DType::kF64) return run_where_moving<double>(c);
    return computing == DType::kU64 ? run_where_moving<uint64_t>(c) : run_where_moving<int64_t>(c);
  }
  if (computing == DType::kF64) return run_as<double>(c, index, scale);
  if (computing == DType::kU64) return run_as<uint64_t>(c, index, scale);
  run_as<int64_t>(c, index, scale);
}

}  // namespace

void read_pointwise_attributes(const PointwiseRow& row, const Attributes& attributes,
                               float (&numbers)[kMaxPointwiseAttributes]) {
  using Kind = PointwiseAttribute::Kind;
  for (int i = 0; i < kMaxPointwiseAttributes; ++i) {
    const PointwiseAttribute& attribute = row.attributes[i];
    numbers[i] = 0;
    if (attribute.kind == Kind::kFloat) {
      numbers[i] = static_cast<float>(attributes.real(attribute.name, attribute.number));
    } else if (attribute.kind == Kind::kInt) {
      const auto fallback = static_cast<int64_t>(attribute.number);
      numbers[i] = static_cast<float>(attributes.integer(attribute.name, fallback));
    } else if (attribute.kind == Kind::kChoice) {
      const std::string text = attributes.text(attribute.name, attribute.choices[0]);
      numbers[i] = text == attribute.choices[0] ? 0.0f : 1.0f;
    }
  }
}

void run_pointwise_reference(KernelContext& c) { run_index(c, find_pointwise_row(c.op()), 1.0); }

void run_mean_reference(KernelContext& c) {
  run_index(c, find_pointwise_row("Sum"), static_cast<double>(c.input_count()));
}

}  // namespace planish
