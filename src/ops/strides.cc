// SPDX-License-Identifier: Apache-2.0
#include "ops/strides.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/checked.h"
#include "base/str.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish {

Dims row_major_strides(std::span<const int64_t> dims) {
  Dims strides(dims.size());
  int64_t step = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = step;
    step = checked_mul<int64_t>(step, std::max<int64_t>(dims[i], 1), "strides of a tensor");
  }
  return strides;
}

int64_t outer_count(std::span<const int64_t> dims, int axis) {
  return element_count(dims.first(static_cast<size_t>(axis)));
}

int64_t inner_count(std::span<const int64_t> dims, int axis) {
  return element_count(dims.subspan(static_cast<size_t>(axis) + 1));
}

View row_major_view(std::span<const int64_t> dims) { return {0, row_major_strides(dims)}; }

Walk::Walk(std::span<const int64_t> dims, std::vector<View> views)
    : dims_(dims.begin(), dims.end()),
      index_(dims.size(), 0),
      views_(std::move(views)),
      done_(element_count(dims) == 0) {}

void Walk::next() {
  for (size_t k = dims_.size(); k-- > 0;) {
    for (View& view : views_) view.offset += view.strides[k];
    if (++index_[k] < dims_[k]) return;
    for (View& view : views_) view.offset -= view.strides[k] * dims_[k];
    index_[k] = 0;
  }
  done_ = true;
}

Tensor spread(const Tensor& tensor) {
  if (!is_packed(tensor.dtype())) return tensor;
  const std::vector<uint8_t> bytes = unpack(tensor);
  return Tensor::of<uint8_t>(DType::kU8, tensor.dims(), bytes);
}

void pack_into(Tensor& out, const Tensor& spread_out) {
  const auto* bytes = spread_out.as<uint8_t>();
  pack(std::vector<uint8_t>(bytes, bytes + spread_out.count()), out);
}

namespace {

struct Bytes16 {
  uint64_t low, high;
};

// Calls f(pointer to out's elements, pointer to in's) with the type that moves them.
template <class F>
void with_elements(Tensor& out, const Tensor& in, F&& f) {
  const int bits = dtype_bits(out.dtype());
  if (bits != dtype_bits(in.dtype()) || (bits != 0 && bits < 8))
    throw Error(ErrorCode::kInternal, concat("elements of ", dtype_name(in.dtype()), " moved into ",
                                             dtype_name(out.dtype())));
  const std::byte* from = in.data();
  std::byte* to = out.data();
  switch (bits) {
    case 0: return f(out.string_values().data(), in.string_values().data());
    case 8: return f(reinterpret_cast<uint8_t*>(to), reinterpret_cast<const uint8_t*>(from));
    case 16: return f(reinterpret_cast<uint16_t*>(to), reinterpret_cast<const uint16_t*>(from));
    case 32: return f(reinterpret_cast<uint32_t*>(to), reinterpret_cast<const uint32_t*>(from));
    case 64: return f(reinterpret_cast<uint64_t*>(to), reinterpret_cast<const uint64_t*>(from));
    default: return f(reinterpret_cast<Bytes16*>(to), reinterpret_cast<const Bytes16*>(from));
  }
}

struct Axis {
  int64_t size, to, from;
};

// The block's axes without those of one element, neighbours joined where both sides allow it.
std::vector<Axis> joined_axes(const View& to, const View& from, std::span<const int64_t> dims) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    const Axis axis{dims[i], to.strides[i], from.strides[i]};
    if (!axes.empty() && axes.back().to == axis.to * axis.size &&
        axes.back().from == axis.from * axis.size) {
      axes.back() = {axes.back().size * axis.size, axis.to, axis.from};
    } else {
      axes.push_back(axis);
    }
  }
  return axes;
}

template <class T>
void copy_axis(T* out, const T* in, const Axis& axis) {
  if (axis.to == 1 && axis.from == 1) {
    std::copy_n(in, axis.size, out);
  } else if (axis.to == 1 && axis.from == 0) {
    std::fill_n(out, axis.size, *in);
  } else {
    for (int64_t i = 0; i < axis.size; ++i) out[i * axis.to] = in[i * axis.from];
  }
}

template <class T>
void copy_axes(T* out, const T* in, std::span<const Axis> axes) {
  if (axes.empty()) {
    *out = *in;
    return;
  }
  const Axis& inner = axes.back();
  const std::span<const Axis> outer = axes.first(axes.size() - 1);
  std::vector<int64_t> index(outer.size(), 0);
  for (;;) {
    copy_axis(out, in, inner);
    size_t k = outer.size();
    while (k > 0) {
      const Axis& axis = outer[k - 1];
      out += axis.to;
      in += axis.from;
      if (++index[k - 1] < axis.size) break;
      out -= axis.to * axis.size;
      in -= axis.from * axis.size;
      index[--k] = 0;
    }
    if (k == 0) return;
  }
}

}  // namespace

void copy_view(Tensor& out, const View& to, const Tensor& in, const View& from,
               std::span<const int64_t> dims) {
  if (element_count(dims) == 0) return;
  const std::vector<Axis> axes = joined_axes(to, from, dims);
  with_elements(out, in, [&](auto* o, const auto* i) {
    copy_axes(o + to.offset, i + from.offset, std::span<const Axis>(axes));
  });
}

void copy_run(Tensor& out, int64_t to, const Tensor& in, int64_t from, int64_t n) {
  if (n <= 0) return;
  with_elements(out, in, [&](auto* o, const auto* i) { std::copy_n(i + from, n, o + to); });
}

void copy_all(Tensor& out, const Tensor& in) {
  if (out.dtype() != in.dtype() || out.count() != in.count())
    throw Error(ErrorCode::kInternal,
                concat("a tensor ", dtype_name(in.dtype()), " ", dims_to_string(in.dims()),
                       " copied into ", dtype_name(out.dtype()), " ", dims_to_string(out.dims())));
  if (in.dtype() == DType::kString)
    out.string_values() = in.string_values();
  else if (in.bytes() != 0 && out.data() != in.data())
    std::memcpy(out.data(), in.data(), in.bytes());
}

void take(Tensor& out, const Tensor& in, int axis, std::span<const int64_t> indices) {
  const int64_t outer = outer_count(in.dims(), axis), inner = inner_count(in.dims(), axis);
  const int64_t size = in.dim(axis);
  if (outer == 0 || inner == 0) return;
  with_elements(out, in, [&](auto* o, const auto* i) {
    for (int64_t n = 0; n < outer; ++n, i += size * inner)
      for (int64_t index : indices) o = std::copy_n(i + index * inner, inner, o);
  });
}

void fill_run(Tensor& out, int64_t to, int64_t n, const Tensor& in, int64_t from) {
  if (n <= 0) return;
  with_elements(out, in, [&](auto* o, const auto* i) { std::fill_n(o + to, n, i[from]); });
}

void fill_zero(Tensor& out, int64_t to, int64_t n) {
  if (n <= 0) return;
  if (out.dtype() == DType::kString) {
    std::fill_n(out.string_values().begin() + to, n, std::string());
    return;
  }
  const auto size = static_cast<size_t>(dtype_bits(out.dtype()) / 8);
  std::memset(out.data() + static_cast<size_t>(to) * size, 0, static_cast<size_t>(n) * size);
}

void fill_zero(Tensor& out) {
  if (is_packed(out.dtype())) {
    if (out.bytes() != 0) std::memset(out.data(), 0, out.bytes());
  } else {
    fill_zero(out, 0, out.count());
  }
}

}  // namespace planish
