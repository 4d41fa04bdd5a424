// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>

#include "base/str.h"
#include "planish/error.h"

namespace planish {

std::string dims_to_string(std::span<const int64_t> dims) {
  return dims.empty() ? "scalar" : join(dims, "x");
}

int64_t element_count(std::span<const int64_t> dims) {
  int64_t n = 1;
  bool zero = false;
  for (int64_t d : dims) {
    if (d < 0)
      throw Error(ErrorCode::kInvalidShape,
                  concat("shape ", dims_to_string(dims), " has a negative dimension"));
    zero |= d == 0;
  }
  if (zero) return 0;
  for (int64_t d : dims)
    if (__builtin_mul_overflow(n, d, &n))
      throw Error(ErrorCode::kBudgetExceeded,
                  concat("shape ", dims_to_string(dims), " has more elements than 64 bits count"));
  return n;
}

namespace {
constexpr size_t kAlignment = 64;
}

Tensor::Tensor(DType type, Dims dims) : type_(type), dims_(std::move(dims)) {
  count_ = element_count(dims_);
  if (type == DType::kString) {
    strings_ = std::make_shared<std::vector<std::string>>(static_cast<size_t>(count_));
    return;
  }
  bytes_ = dtype_bytes(type, count_);
  if (bytes_ > SIZE_MAX / 2)
    throw Error(ErrorCode::kOutOfMemory, concat("a tensor of ", bytes_, " bytes does not fit"));
  const size_t padded = (bytes_ + kAlignment) / kAlignment * kAlignment;
  void* block = std::aligned_alloc(kAlignment, padded);
  if (block == nullptr)
    throw Error(ErrorCode::kOutOfMemory, concat("no memory for a tensor of ", bytes_, " bytes (",
                                                dtype_name(type), " ", dims_to_string(dims_), ")"));
  data_ = static_cast<std::byte*>(block);
  // The unused bits of a packed tensor's last byte are part of its content: keep them zero.
  if (is_packed(type) && bytes_ != 0) data_[bytes_ - 1] = std::byte{0};
  owner_ =
      std::shared_ptr<const void>(block, [](const void* p) { std::free(const_cast<void*>(p)); });
}

Tensor::Tensor(DType type, Dims dims, std::byte* data, size_t bytes,
               std::shared_ptr<const void> owner)
    : type_(type), dims_(std::move(dims)), bytes_(bytes), data_(data), owner_(std::move(owner)) {
  count_ = element_count(dims_);
  if (type == DType::kString || dtype_bytes(type, count_) != bytes)
    throw Error(ErrorCode::kInternal, concat("a tensor ", dtype_name(type), " ",
                                             dims_to_string(dims_), " over ", bytes, " bytes"));
}

Tensor Tensor::strings(Dims dims, std::vector<std::string> values) {
  Tensor t;
  t.type_ = DType::kString;
  t.dims_ = std::move(dims);
  t.count_ = element_count(t.dims_);
  if (static_cast<size_t>(t.count_) != values.size())
    throw Error(ErrorCode::kInvalidShape, concat("a string tensor ", dims_to_string(t.dims_),
                                                 " of ", values.size(), " strings"));
  t.strings_ = std::make_shared<std::vector<std::string>>(std::move(values));
  return t;
}

Tensor Tensor::scalar_i64(int64_t value) {
  return of<int64_t>(DType::kI64, {}, std::span<const int64_t>(&value, 1));
}
Tensor Tensor::scalar_f32(float value) {
  return of<float>(DType::kF32, {}, std::span<const float>(&value, 1));
}
Tensor Tensor::vector_i64(std::span<const int64_t> values) {
  return of<int64_t>(DType::kI64, {static_cast<int64_t>(values.size())}, values);
}

void Tensor::check_element_size(size_t size) const {
  if (static_cast<int>(size * 8) != dtype_bits(type_))
    throw Error(ErrorCode::kInternal,
                concat("a view of ", size, "-byte elements over a ", dtype_name(type_), " tensor"));
}

const std::vector<std::string>& Tensor::string_values() const {
  if (!strings_)
    throw Error(ErrorCode::kInternal, concat("strings of a ", dtype_name(type_), " tensor"));
  return *strings_;
}
std::vector<std::string>& Tensor::string_values() {
  if (!strings_)
    throw Error(ErrorCode::kInternal, concat("strings of a ", dtype_name(type_), " tensor"));
  return *strings_;
}

Tensor Tensor::reshaped(Dims dims) const {
  Tensor t = *this;
  if (element_count(dims) != count_)
    throw Error(ErrorCode::kInternal,
                concat("reshape of ", dims_to_string(dims_), " to ", dims_to_string(dims)));
  t.dims_ = std::move(dims);
  return t;
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  if (type_ == DType::kString) return strings(dims_, string_values());
  Tensor t(type_, dims_);
  if (bytes_ != 0) std::memcpy(t.data_, data_, bytes_);
  return t;
}

const Tensor& Datum::tensor() const {
  if (const auto* t = std::get_if<Tensor>(&held)) return *t;
  throw Error(ErrorCode::kInvalidType, empty() ? "expected a tensor, got an absent optional"
                                               : "expected a tensor, got a sequence or map");
}

const Sequence& Datum::items() const {
  if (const auto* s = std::get_if<std::shared_ptr<const Sequence>>(&held)) return **s;
  throw Error(ErrorCode::kInvalidType, "expected a sequence, got something else");
}

}  // namespace planish
