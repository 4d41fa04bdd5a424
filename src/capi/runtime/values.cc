// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/str.h"
#include "capi/runtime/handles.h"

using planish::Datum;
using planish::Dims;
using planish::DType;
using planish::Error;
using planish::ErrorCode;
using planish::Tensor;
using planish::capi::deref;
using planish::capi::guard;

namespace {

Dims dims_of(int rank, const int64_t* dims) {
  if (rank < 0 || rank > 1024)
    throw Error(ErrorCode::kInvalidArgument, planish::concat("rank ", rank, " is out of range"));
  if (rank > 0 && dims == nullptr) throw Error(ErrorCode::kInvalidArgument, "dims are null");
  return Dims(dims, dims + rank);
}

DType dtype_of(int number) {
  if (!planish::is_valid_dtype(number))
    throw Error(ErrorCode::kInvalidArgument,
                planish::concat("dtype ", number, " is no number of onnx.TensorProto.DataType"));
  return static_cast<DType>(number);
}

planish_value* make(Datum datum) { return new planish_value{std::move(datum)}; }

const Tensor* tensor_of(const planish_value* value) {
  return value != nullptr ? std::get_if<Tensor>(&value->datum.held) : nullptr;
}

}  // namespace

planish_status planish_tensor_create(int dtype, int rank, const int64_t* dims, void* data,
                                     size_t bytes, planish_release_callback release, void* user,
                                     planish_value** value) {
  return guard([&] {
    const Dims shape = dims_of(rank, dims);
    const DType type = dtype_of(dtype);
    if (type == DType::kString)
      throw Error(ErrorCode::kInvalidType, "strings are made by planish_strings_create");
    const size_t needed = planish::dtype_bytes(type, planish::element_count(shape));
    if (bytes != needed)
      throw Error(ErrorCode::kInvalidArgument,
                  planish::concat("a tensor ", planish::dtype_name(type), " ",
                                  planish::dims_to_string(shape), ": expected ", needed,
                                  " bytes, got ", bytes));
    if (data == nullptr && bytes != 0) throw Error(ErrorCode::kInvalidArgument, "data is null");
    std::shared_ptr<const void> owner;
    if (release != nullptr)
      owner = std::shared_ptr<const void>(
          user, [release](const void* p) { release(const_cast<void*>(p)); });
    deref(value, "value") =
        make(Tensor(type, shape, static_cast<std::byte*>(data), bytes, std::move(owner)));
  });
}

planish_status planish_tensor_allocate(int dtype, int rank, const int64_t* dims,
                                       planish_value** value) {
  return guard([&] { deref(value, "value") = make(Tensor(dtype_of(dtype), dims_of(rank, dims))); });
}

planish_status planish_strings_create(int rank, const int64_t* dims, const char* const* strings,
                                      const size_t* lengths, planish_value** value) {
  return guard([&] {
    Dims shape = dims_of(rank, dims);
    const int64_t count = planish::element_count(shape);
    if (strings == nullptr && count != 0)
      throw Error(ErrorCode::kInvalidArgument, "strings are null");
    std::vector<std::string> values;
    for (int64_t i = 0; i < count; ++i) {
      const char* s = &deref(strings[i], "a string");
      values.emplace_back(s, lengths != nullptr ? lengths[i] : std::strlen(s));
    }
    deref(value, "value") = make(Tensor::strings(std::move(shape), std::move(values)));
  });
}

planish_status planish_sequence_create(size_t count, planish_value* const* items,
                                       planish_value** value) {
  return guard([&] {
    planish::Sequence sequence;
    for (size_t i = 0; i < count; ++i) sequence.push_back(deref(items[i], "an item").datum);
    deref(value, "value") = make(Datum::sequence(std::move(sequence)));
  });
}

planish_status planish_none_create(planish_value** value) {
  return guard([&] { deref(value, "value") = make(Datum()); });
}

void planish_value_release(planish_value* value) { delete value; }

int planish_value_kind(const planish_value* value) {
  if (value == nullptr || value->datum.empty()) return PLANISH_NONE;
  if (value->datum.is_tensor()) return PLANISH_TENSOR;
  return value->datum.is_sequence() ? PLANISH_SEQUENCE : PLANISH_MAP;
}

int planish_tensor_dtype(const planish_value* value) {
  const Tensor* t = tensor_of(value);
  return t != nullptr ? static_cast<int>(t->dtype()) : 0;
}
int planish_tensor_rank(const planish_value* value) {
  const Tensor* t = tensor_of(value);
  return t != nullptr ? t->rank() : 0;
}
const int64_t* planish_tensor_dims(const planish_value* value) {
  const Tensor* t = tensor_of(value);
  return t != nullptr ? t->dims().data() : nullptr;
}
void* planish_tensor_data(const planish_value* value) {
  const Tensor* t = tensor_of(value);
  return t != nullptr && t->dtype() != DType::kString ? const_cast<std::byte*>(t->data()) : nullptr;
}
size_t planish_tensor_bytes(const planish_value* value) {
  const Tensor* t = tensor_of(value);
  return t != nullptr ? t->bytes() : 0;
}
const char* planish_tensor_string(const planish_value* value, int64_t index, size_t* length) {
  const Tensor* t = tensor_of(value);
  if (t == nullptr || t->dtype() != DType::kString || index < 0 || index >= t->count()) {
    if (length != nullptr) *length = 0;
    return "";
  }
  const std::string& s = t->string_values()[static_cast<size_t>(index)];
  if (length != nullptr) *length = s.size();
  return s.c_str();
}

size_t planish_sequence_count(const planish_value* value) {
  return planish_value_kind(value) == PLANISH_SEQUENCE ? value->datum.items().size() : 0;
}

planish_status planish_sequence_item(const planish_value* value, size_t index,
                                     planish_value** item) {
  return guard([&] {
    const planish::Sequence& items = deref(value, "value").datum.items();
    if (index >= items.size())
      throw Error(ErrorCode::kInvalidArgument,
                  planish::concat("item ", index, " of a sequence of ", items.size()));
    deref(item, "item") = make(items[index]);
  });
}

namespace {

const planish::MapDatum& map_of(const planish_value* value) {
  const auto* map =
      std::get_if<std::shared_ptr<const planish::MapDatum>>(&deref(value, "value").datum.held);
  if (map == nullptr) throw Error(ErrorCode::kInvalidType, "expected a map, got something else");
  return **map;
}

}  // namespace

planish_status planish_map_keys(const planish_value* value, planish_value** keys) {
  return guard([&] { deref(keys, "keys") = make(map_of(value).keys); });
}
planish_status planish_map_values(const planish_value* value, planish_value** values) {
  return guard([&] { deref(values, "values") = make(map_of(value).values); });
}
