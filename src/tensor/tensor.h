// SPDX-License-Identifier: Apache-2.0
// Concrete data: a tensor, and the other things that a value of a graph may hold at run time.
//
// A Tensor is a data type, dimensions and a shared block of bytes (row-major, packed below 8 bits)
// or of strings. Copies share the block. Constants of a graph are Tensors that nobody writes to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tensor/dtype.h"

namespace planish {

using Dims = std::vector<int64_t>;

std::string dims_to_string(std::span<const int64_t> dims);  // "1x3x224x224", "scalar"
// Product of dims. Throws kInvalidShape if a dim is negative, kBudgetExceeded on overflow.
int64_t element_count(std::span<const int64_t> dims);

class Tensor {
 public:
  Tensor() = default;
  // Uninitialised memory aligned to 64 bytes (strings: empty). Throws kOutOfMemory.
  Tensor(DType type, Dims dims);
  // Bytes owned by someone else; `owner` keeps them alive (may be null: the caller's promise).
  // `bytes` must be dtype_bytes(type, count), else kInternal.
  Tensor(DType type, Dims dims, std::byte* data, size_t bytes, std::shared_ptr<const void> owner);
  static Tensor strings(Dims dims, std::vector<std::string> values);

  template <class T>
  static Tensor of(DType type, Dims dims, std::span<const T> values);
  static Tensor scalar_i64(int64_t value);
  static Tensor scalar_f32(float value);
  static Tensor vector_i64(std::span<const int64_t> values);

  bool defined() const { return type_ != DType::kUndefined; }
  DType dtype() const { return type_; }
  const Dims& dims() const { return dims_; }
  int rank() const { return static_cast<int>(dims_.size()); }
  int64_t dim(int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t count() const { return count_; }
  size_t bytes() const { return bytes_; }

  const std::byte* data() const { return data_; }
  std::byte* data() { return data_; }
  // Typed views; T must have the element's size (checked: kInternal).
  template <class T>
  const T* as() const {
    check_element_size(sizeof(T));
    return reinterpret_cast<const T*>(data_);
  }
  template <class T>
  T* as() {
    check_element_size(sizeof(T));
    return reinterpret_cast<T*>(data_);
  }
  const std::vector<std::string>& string_values() const;
  std::vector<std::string>& string_values();

  // The same block under other dimensions (same count, else kInternal).
  Tensor reshaped(Dims dims) const;
  Tensor clone() const;
  const std::shared_ptr<const void>& owner() const { return owner_; }
  // The same type over other memory, of at least bytes(). Not for strings.
  void rebind(std::byte* data, std::shared_ptr<const void> owner) {
    data_ = data;
    owner_ = std::move(owner);
  }

 private:
  void check_element_size(size_t size) const;

  DType type_ = DType::kUndefined;
  Dims dims_;
  int64_t count_ = 0;
  size_t bytes_ = 0;
  std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<std::vector<std::string>> strings_;
};

template <class T>
Tensor Tensor::of(DType type, Dims dims, std::span<const T> values) {
  Tensor t(type, std::move(dims));
  T* out = t.as<T>();
  for (size_t i = 0; i < values.size() && static_cast<int64_t>(i) < t.count(); ++i)
    out[i] = values[i];
  return t;
}

// What a value holds at run time: nothing (an absent optional), a tensor, a sequence of data, or a
// map (ai.onnx.ml: keys and values of equal length).
struct Datum;
using Sequence = std::vector<Datum>;
struct MapDatum {
  Tensor keys;    // rank 1, int64 or string
  Tensor values;  // rank 1
};
struct Datum {
  std::variant<std::monostate, Tensor, std::shared_ptr<const Sequence>,
               std::shared_ptr<const MapDatum>>
      held;

  Datum() = default;
  Datum(Tensor t) : held(std::move(t)) {}  // NOLINT: a tensor is a datum
  static Datum sequence(Sequence items) {
    Datum d;
    d.held = std::make_shared<const Sequence>(std::move(items));
    return d;
  }
  bool empty() const { return std::holds_alternative<std::monostate>(held); }
  bool is_tensor() const { return std::holds_alternative<Tensor>(held); }
  bool is_sequence() const { return std::holds_alternative<std::shared_ptr<const Sequence>>(held); }
  // Throw kInvalidType if something else is held.
  const Tensor& tensor() const;
  const Sequence& items() const;
};

}  // namespace planish
