// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/tensors.h"

#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/str.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::onnx {
namespace {

[[noreturn]] void fail_tensor(const std::string& what, const std::string& problem,
                              std::string hint = {}) {
  throw Error(ErrorCode::kInvalidModel, concat(what, ": ", problem), {}, std::move(hint));
}

size_t natural_alignment(DType type) {
  if (is_complex(type)) return static_cast<size_t>(dtype_bits(type) / 16);
  return std::max<size_t>(1, static_cast<size_t>(dtype_bits(type) / 8));
}

Dims read_dims(const google::protobuf::RepeatedField<int64_t>& dims, const std::string& what) {
  Dims out(dims.begin(), dims.end());
  int64_t count = 0;
  if (!try_element_count(out, &count))
    fail_tensor(what, concat("shape ", dims_text(out),
                             " has a negative dimension or more elements than 2^63-1"));
  return out;
}

// Whether the bytes are a valid tensor as they stand: bools are 0 or 1 and the unused bits of a
// packed type's last byte are zero.
bool is_canonical(DType type, int64_t count, const std::byte* data, size_t bytes) {
  if (type == DType::kBool) {
    for (size_t i = 0; i < bytes; ++i)
      if (data[i] > std::byte{1}) return false;
    return true;
  }
  const auto used = static_cast<int>(count % 8 * dtype_bits(type) % 8);
  if (!is_packed(type) || bytes == 0 || used == 0) return true;
  return (data[bytes - 1] >> used) == std::byte{0};
}

void make_canonical(Tensor& tensor) {
  std::byte* data = tensor.data();
  if (tensor.dtype() == DType::kBool) {
    for (size_t i = 0; i < tensor.bytes(); ++i) data[i] = std::byte{data[i] != std::byte{0}};
    return;
  }
  const auto used = static_cast<int>(tensor.count() % 8 * dtype_bits(tensor.dtype()) % 8);
  if (is_packed(tensor.dtype()) && tensor.bytes() != 0 && used != 0)
    data[tensor.bytes() - 1] &= static_cast<std::byte>((1 << used) - 1);
}

// A tensor over bytes that `owner` keeps, copied only if they are misaligned or not canonical.
Tensor over_bytes(DType type, const Dims& dims, const std::byte* data, size_t bytes,
                  std::shared_ptr<const void> owner) {
  const int64_t count = element_count(dims);
  const bool is_aligned = reinterpret_cast<uintptr_t>(data) % natural_alignment(type) == 0;
  if (bytes != 0 && is_aligned && is_canonical(type, count, data, bytes))
    return Tensor(type, dims, const_cast<std::byte*>(data), bytes, std::move(owner));
  Tensor copy(type, dims);
  if (bytes != 0) std::memcpy(copy.data(), data, bytes);
  make_canonical(copy);
  return copy;
}

void check_payload(const std::string& what, DType type, const Dims& dims, const char* field,
                   size_t expected, size_t got) {
  if (expected != got)
    fail_tensor(what, concat("expected ", expected, " entries of ", field, " for ",
                             dtype_name(type), " ", dims_to_string(dims), ", got ", got));
}

template <class Stored, class Field>
Tensor copy_plain(DType type, const Dims& dims, const Field& field) {
  Tensor out(type, dims);
  auto* to = reinterpret_cast<Stored*>(out.data());
  for (const auto value : field) *to++ = static_cast<Stored>(value);
  return out;
}

// Types that travel in int32_data: one element an entry, or one byte of packed elements an entry.
Tensor copy_int32(DType type, const Dims& dims,
                  const google::protobuf::RepeatedField<int32_t>& field, const std::string& what) {
  const int bits = std::max(8, dtype_bits(type));
  if (bits < 32)
    for (const int32_t value : field)
      if (value < -(1 << (bits - 1)) || value >= (1 << bits))
        fail_tensor(what, concat("int32_data holds ", value, ", which is no ", dtype_name(type)));
  Tensor out = bits == 32   ? copy_plain<int32_t>(type, dims, field)
               : bits == 16 ? copy_plain<int16_t>(type, dims, field)
                            : copy_plain<int8_t>(type, dims, field);
  make_canonical(out);
  return out;
}

Tensor read_typed(const pb::TensorProto& proto, DType type, const Dims& dims,
                  const std::string& what) {
  const auto count = static_cast<size_t>(element_count(dims));
  auto check = [&](const char* field, size_t expected, int got) {
    check_payload(what, type, dims, field, expected, static_cast<size_t>(got));
  };
  switch (type) {
    case DType::kF32:
      check("float_data", count, proto.float_data_size());
      return copy_plain<float>(type, dims, proto.float_data());
    case DType::kC64:
      check("float_data", checked_mul<size_t>(count, 2, what, ErrorCode::kInvalidModel),
            proto.float_data_size());
      return copy_plain<float>(type, dims, proto.float_data());
    case DType::kF64:
      check("double_data", count, proto.double_data_size());
      return copy_plain<double>(type, dims, proto.double_data());
    case DType::kC128:
      check("double_data", checked_mul<size_t>(count, 2, what, ErrorCode::kInvalidModel),
            proto.double_data_size());
      return copy_plain<double>(type, dims, proto.double_data());
    case DType::kI64:
      check("int64_data", count, proto.int64_data_size());
      return copy_plain<int64_t>(type, dims, proto.int64_data());
    case DType::kU64:
      check("uint64_data", count, proto.uint64_data_size());
      return copy_plain<uint64_t>(type, dims, proto.uint64_data());
    case DType::kU32:
      check("uint64_data", count, proto.uint64_data_size());
      return copy_plain<uint32_t>(type, dims, proto.uint64_data());
    case DType::kString: {
      check("string_data", count, proto.string_data_size());
      return Tensor::strings(dims, {proto.string_data().begin(), proto.string_data().end()});
    }
    default:
      check("int32_data", is_packed(type) ? dtype_bytes(type, static_cast<int64_t>(count)) : count,
            proto.int32_data_size());
      return copy_int32(type, dims, proto.int32_data(), what);
  }
}

bool has_typed_data(const pb::TensorProto& p) {
  return p.float_data_size() != 0 || p.int32_data_size() != 0 || p.string_data_size() != 0 ||
         p.int64_data_size() != 0 || p.double_data_size() != 0 || p.uint64_data_size() != 0;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

DType to_dtype(int64_t number, const std::string& what) {
  if (number < 1 || number >= kDTypeCount)
    fail_tensor(what, concat("expected a data type from 1 to ", kDTypeCount - 1, ", got ", number));
  return static_cast<DType>(number);
}

Tensor TensorReader::read(pb::TensorProto& proto, const std::string& what) {
  const auto known = known_.find(&proto);
  if (known != known_.end()) return known->second;
  const DType type = to_dtype(proto.data_type(), what);
  const Dims dims = read_dims(proto.dims(), what);
  if (proto.has_segment()) fail_tensor(what, "tensors in segments are not defined by ONNX");
  Tensor out;
  if (proto.data_location() == pb::TensorProto::EXTERNAL) {
    if (proto.has_raw_data() || has_typed_data(proto))
      fail_tensor(what, "the data is external and inside of the model at once");
    out = read_external(proto, type, dims, what);
  } else if (proto.has_raw_data() && !(proto.raw_data().empty() && has_typed_data(proto))) {
    if (type == DType::kString) fail_tensor(what, "expected string_data, got raw_data");
    if (has_typed_data(proto)) fail_tensor(what, "raw_data and typed data are there at once");
    const size_t bytes = checked_bytes(element_count(dims), static_cast<uint32_t>(dtype_bits(type)),
                                       what, ErrorCode::kInvalidModel);
    if (bytes != proto.raw_data().size())
      fail_tensor(what, concat("expected ", bytes, " bytes of raw_data for ", dtype_name(type), " ",
                               dims_to_string(dims), ", got ", proto.raw_data().size()));
    auto raw = std::shared_ptr<std::string>(proto.release_raw_data());
    out = over_bytes(type, dims, reinterpret_cast<const std::byte*>(raw->data()), bytes, raw);
  } else {
    out = read_typed(proto, type, dims, what);
  }
  known_.emplace(&proto, out);
  return out;
}

Tensor TensorReader::read_external(const pb::TensorProto& proto, DType type, const Dims& dims,
                                   const std::string& what) {
  if (type == DType::kString) fail_tensor(what, "strings cannot be external data");
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") {
      location = entry.value();
    } else if (entry.key() == "offset" || entry.key() == "length") {
      const auto number = parse_number(entry.value());
      if (!number)
        fail_tensor(what, concat("external data: expected a number as ", entry.key(), ", got \"",
                                 entry.value(), "\""));
      if (entry.key() == "offset")
        offset = *number;
      else
        length = number;
    }
  }
  if (!folder_)
    fail_tensor(what, "the data is external, but a model given as bytes has no folder",
                "name the folder with external_data, or give the model's path");
  const uint64_t bytes = checked_bytes(element_count(dims), static_cast<uint32_t>(dtype_bits(type)),
                                       what, ErrorCode::kInvalidModel);
  if (length && *length != bytes)
    fail_tensor(what, concat("external data: expected ", bytes, " bytes for ", dtype_name(type),
                             " ", dims_to_string(dims), ", got length ", *length));
  const OwnedBytes* file = nullptr;
  try {
    file = &folder_->open(location);
  } catch (const Error& e) {
    throw Error(e.code(), concat(what, ": ", e.what()), e.node(), e.hint());
  }
  if (!range_within(offset, bytes, file->bytes.size()))
    fail_tensor(what, concat("external data: bytes from ", offset, ", ", bytes,
                             " of them, lie outside of \"", location, "\", which has ",
                             file->bytes.size()));
  return over_bytes(type, dims, file->bytes.data() + offset, bytes, file->owner);
}

Tensor TensorReader::read(pb::SparseTensorProto& proto, const std::string& what) {
  const auto known = known_.find(&proto);
  if (known != known_.end()) return known->second;
  const Dims dims = read_dims(proto.dims(), what);
  Tensor values = read(*proto.mutable_values(), what + " (values)");
  const Tensor indices = read(*proto.mutable_indices(), what + " (indices)");
  if (values.rank() != 1)
    fail_tensor(what, concat("expected values of rank 1, got ", dims_to_string(values.dims())));
  const int64_t n = values.count();
  const auto rank = static_cast<int64_t>(dims.size());
  const bool linear = indices.rank() == 1;
  if (indices.dtype() != DType::kI64 || indices.dims() != (linear ? Dims{n} : Dims{n, rank}))
    fail_tensor(what, concat("expected int64 indices ", n, " or ", n, "x", rank, ", got ",
                             dtype_name(indices.dtype()), " ", dims_to_string(indices.dims())));
  const int64_t count = element_count(dims);
  const int bits = dtype_bits(values.dtype());
  if (bits < 8)
    fail_tensor(what, concat("sparse tensors of ", dtype_name(values.dtype()), " are not read"));
  check_budget(checked_bytes(count, static_cast<uint32_t>(bits), what, ErrorCode::kInvalidModel),
               static_cast<uint64_t>(limits_.dense_bytes), concat(what, " made dense, in bytes"),
               "max_build_memory");
  Tensor out(values.dtype(), dims);
  if (out.bytes() != 0) std::memset(out.data(), 0, out.bytes());
  const auto* index = indices.as<int64_t>();
  const size_t width = static_cast<size_t>(bits) / 8;
  for (int64_t i = 0; i < n; ++i) {
    int64_t at = linear ? index[i] : 0;
    bool inside = at >= 0 && at < count;
    for (int64_t d = 0; !linear && d < rank; ++d) {
      const int64_t x = index[i * rank + d], size = dims[static_cast<size_t>(d)];
      inside = inside && x >= 0 && x < size;
      if (inside) at = at * size + x;
    }
    if (!inside)
      fail_tensor(what, concat("index number ", i, " lies outside of ", dims_to_string(dims)));
    std::memcpy(out.data() + static_cast<size_t>(at) * width,
                values.data() + static_cast<size_t>(i) * width, width);
  }
  known_.emplace(&proto, out);
  return out;
}

}  // namespace planish::onnx
