// SPDX-License-Identifier: Apache-2.0
#include "ops/control_flow.h"

#include "base/str.h"
#include "ops/computing.h"
#include "ops/strides.h"

namespace planish {
namespace {

// A loop's rule runs its body's rules up to three times. Where loops nest deeply that would be too
// often, so the inner ones start from types that surely hold.
constexpr int kPreciseDepth = 5;
constexpr int kPreciseRounds = 2;
thread_local int loop_depth = 0;

struct Nesting {
  Nesting() { ++loop_depth; }
  ~Nesting() { --loop_depth; }
};

Type without_dims(InferContext& c, Type type, std::set<std::string>& widened) {
  if (!type.shape) return type;
  for (Dim& dim : *type.shape) {
    dim = c.fresh_dim();
    if (dim.is_symbol()) widened.insert(dim.symbol_name());
  }
  return type;
}

}  // namespace

Type widen(InferContext& c, const Type& now, const Type& next, std::set<std::string>& widened) {
  if (now == next) return now;
  if (now.kind != next.kind) return {};
  Type out = now;
  if (now.dtype != next.dtype) out.dtype = DType::kUndefined;
  if (now.key != next.key) out.key = DType::kUndefined;
  if (!now.shape || !next.shape || now.shape->size() != next.shape->size()) {
    out.shape.reset();
  } else {
    for (size_t i = 0; i < now.shape->size(); ++i) {
      Dim& dim = (*out.shape)[i];
      if (dim == (*next.shape)[i] || (dim.is_symbol() && widened.count(dim.symbol_name()) != 0))
        continue;
      dim = c.fresh_dim();
      if (dim.is_symbol()) widened.insert(dim.symbol_name());
    }
  }
  out.element = now.element && next.element
                    ? std::make_shared<const Type>(widen(c, *now.element, *next.element, widened))
                    : nullptr;
  return out;
}

std::vector<Type> infer_loop_body(InferContext& c, const std::vector<Type>& before,
                                  std::vector<Type>& carried, const std::vector<Type>& after,
                                  size_t first_out) {
  const Nesting nesting;
  std::set<std::string> widened;
  if (loop_depth > kPreciseDepth)
    for (Type& type : carried) type = without_dims(c, std::move(type), widened);
  for (int round = 0;; ++round) {
    std::vector<Type> inputs = before;
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    inputs.insert(inputs.end(), after.begin(), after.end());
    std::vector<Type> outputs = c.infer_subgraph("body", inputs);
    if (outputs.empty()) return {};
    if (outputs.size() < first_out + carried.size())
      c.fail(concat("the body has ", outputs.size(), " outputs, expected ",
                    first_out + carried.size(), " or more"),
             ErrorCode::kInvalidModel);
    bool stable = true;
    for (size_t i = 0; i < carried.size(); ++i) {
      const Type next = widen(c, carried[i], outputs[first_out + i], widened);
      if (next == carried[i]) continue;
      stable = false;
      // After the precise rounds nothing but the kind and the element type is kept.
      const Type shapeless = next.is_tensor() ? Type::tensor(next.dtype) : Type{};
      carried[i] = round < kPreciseRounds ? next : round < 2 * kPreciseRounds ? shapeless : Type{};
    }
    if (stable) return outputs;
  }
}

bool is_contradiction(const Error& error) {
  return error.code() == ErrorCode::kInvalidShape || error.code() == ErrorCode::kInvalidType ||
         error.code() == ErrorCode::kInvalidValue;
}

Datum owned(const Datum& datum) {
  return datum.is_tensor() ? Datum(datum.tensor().clone()) : datum;
}

void Gathered::add(const Datum& item) {
  if (!item.is_tensor())
    c_.fail(concat(what_, ": expected a tensor from the body"), ErrorCode::kInvalidType);
  const Tensor& tensor = item.tensor();
  if (!items_.empty() && (items_[0].dtype() != tensor.dtype() || items_[0].dims() != tensor.dims()))
    c_.fail(concat(what_, " changes from ", dtype_name(items_[0].dtype()), " ",
                   dims_to_string(items_[0].dims()), " to ", dtype_name(tensor.dtype()), " ",
                   dims_to_string(tensor.dims()), " in iteration ", items_.size()),
            ErrorCode::kInvalidShape);
  bytes_ += static_cast<int64_t>(tensor.bytes());
  c_.budget().check_value_bytes(bytes_, c_.node());
  items_.push_back(tensor);
}

Tensor Gathered::none(int64_t axis, const Type& type) const {
  if (!type.is_tensor() || type.dtype == DType::kUndefined)
    c_.fail(concat(what_, ": no iteration ran, and the type of the result is not known"));
  Dims dims;
  for (const Dim& dim : type.shape.value_or(Shape{})) dims.push_back(dim.constant().value_or(0));
  const int at = c_.normalize_axis(axis, static_cast<int>(dims.size()) + 1);
  dims.insert(dims.begin() + at, 0);
  return Tensor(type.dtype, std::move(dims));
}

Tensor Gathered::joined(int64_t axis, bool reverse, const Type& type) const {
  if (items_.empty()) return none(axis, type);
  const Dims& item = items_[0].dims();
  const int at = c_.normalize_axis(axis, static_cast<int>(item.size()) + 1);
  Dims dims = item;
  dims.insert(dims.begin() + at, static_cast<int64_t>(items_.size()));
  Tensor result(items_[0].dtype(), dims);
  fill_spread(result, [&](Tensor& out) {
    View to = row_major_view(dims);
    const int64_t stride = to.strides[static_cast<size_t>(at)];
    to.strides.erase(to.strides.begin() + at);
    for (size_t i = 0; i < items_.size(); ++i) {
      to.offset = stride * static_cast<int64_t>(reverse ? items_.size() - 1 - i : i);
      copy_view(out, to, spread(items_[i]), row_major_view(item), item);
    }
  });
  return result;
}

}  // namespace planish
