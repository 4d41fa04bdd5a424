// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/datum.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/str.h"
#include "import/onnx/tensors.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

using Bytes = std::span<const std::byte>;
constexpr int kMostNesting = 32;

// onnx-data.proto is not among the generated messages; its three messages are read field by field.
struct Field {
  uint32_t number = 0;
  uint64_t integer = 0;
  std::optional<Bytes> bytes;  // of a length-delimited field
};

class FieldReader {
 public:
  FieldReader(Bytes bytes, const std::string& what) : rest_(bytes), what_(what) {}

  bool next(Field* field) {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    *field = {.number = static_cast<uint32_t>(tag >> 3)};
    if ((tag & 7) == 0) {
      field->integer = varint();
    } else if ((tag & 7) == 2) {
      field->bytes = take(varint());
    } else if ((tag & 7) == 1 || (tag & 7) == 5) {
      take((tag & 7) == 1 ? 8 : 4);
    } else {
      fail();
    }
    return true;
  }

  uint64_t varint() {
    uint64_t out = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return out;
    }
    fail();
  }
  bool at_end() const { return rest_.empty(); }

 private:
  Bytes take(uint64_t n) {
    if (n > rest_.size()) fail();
    const Bytes out = rest_.first(n);
    rest_ = rest_.subspan(n);
    return out;
  }
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::kInvalidModel,
                concat(what_, ": the bytes are damaged or something else"));
  }

  Bytes rest_;
  const std::string& what_;
};

enum class Element : uint8_t { kUndefined, kTensor, kSparse, kSequence, kMap, kOptional };

Datum parse_tensor_datum(Bytes bytes, const std::string& what) {
  pb::TensorProto proto = parse_tensor(bytes, what);
  return TensorReader(nullptr, {}).read(proto, what);
}

Datum parse_message(Bytes bytes, Element kind, const std::string& what, int depth);

// Fields 3 to 7 of a SequenceProto and an OptionalProto hold the five kinds of elements in this
// order.
Element sequence_field(uint32_t number) {
  return number >= 3 && number <= 7 ? static_cast<Element>(number - 2) : Element::kUndefined;
}

Datum parse_sequence(Bytes bytes, const std::string& what, int depth) {
  FieldReader reader(bytes, what);
  Sequence items;
  for (Field field; reader.next(&field);)
    if (field.bytes && sequence_field(field.number) != Element::kUndefined)
      items.push_back(parse_message(*field.bytes, sequence_field(field.number), what, depth + 1));
  return Datum::sequence(std::move(items));
}

Datum parse_optional(Bytes bytes, const std::string& what, int depth) {
  FieldReader reader(bytes, what);
  Datum out;
  for (Field field; reader.next(&field);)
    if (field.bytes && sequence_field(field.number) != Element::kUndefined)
      out = parse_message(*field.bytes, sequence_field(field.number), what, depth + 1);
  return out;
}

// The items of a map's values: tensors of one element each, or one tensor of them all.
Tensor join_values(const Sequence& items, int64_t count, const std::string& what) {
  if (items.size() == 1 && items[0].tensor().count() == count)
    return items[0].tensor().reshaped({count});
  throw Error(ErrorCode::kUnsupported,
              concat(what, ": expected the values of a map as one tensor of ", count));
}

Datum parse_map(Bytes bytes, const std::string& what, int depth) {
  FieldReader reader(bytes, what);
  std::vector<int64_t> numbers;
  std::vector<std::string> texts;
  Sequence items;
  for (Field field; reader.next(&field);) {
    if (field.number == 3 && !field.bytes) numbers.push_back(static_cast<int64_t>(field.integer));
    if (field.number == 3 && field.bytes)
      for (FieldReader packed(*field.bytes, what); !packed.at_end();)
        numbers.push_back(static_cast<int64_t>(packed.varint()));
    if (field.number == 4 && field.bytes)
      texts.emplace_back(reinterpret_cast<const char*>(field.bytes->data()), field.bytes->size());
    if (field.number == 5 && field.bytes)
      items = parse_sequence(*field.bytes, what, depth + 1).items();
  }
  const auto count = static_cast<int64_t>(std::max(numbers.size(), texts.size()));
  MapDatum map;
  map.keys =
      texts.empty() ? Tensor::vector_i64(numbers) : Tensor::strings({count}, std::move(texts));
  map.values = join_values(items, count, what);
  Datum out;
  out.held = std::make_shared<const MapDatum>(std::move(map));
  return out;
}

Datum parse_message(Bytes bytes, Element kind, const std::string& what, int depth) {
  if (depth > kMostNesting)
    throw Error(ErrorCode::kBudgetExceeded,
                concat(what, ": values nest more than ", kMostNesting, " deep"));
  switch (kind) {
    case Element::kSequence: return parse_sequence(bytes, what, depth);
    case Element::kMap: return parse_map(bytes, what, depth);
    case Element::kOptional: return parse_optional(bytes, what, depth);
    case Element::kSparse:
      throw Error(ErrorCode::kUnsupported, concat(what, ": sparse tensors are not supported here"));
    default: return parse_tensor_datum(bytes, what);
  }
}

Element element_of(const Type& type) {
  switch (type.kind) {
    case Type::Kind::kSequence: return Element::kSequence;
    case Type::Kind::kOptional: return Element::kOptional;
    case Type::Kind::kMap: return Element::kMap;
    default: return Element::kTensor;
  }
}

}  // namespace

Datum parse_datum(std::span<const std::byte> bytes, const Type& type, const std::string& what) {
  return parse_message(bytes, element_of(type), what, 0);
}

Datum read_datum(const std::string& path, const Type& type) {
  return parse_datum(load_file(path).bytes, type, concat("\"", path, "\""));
}

}  // namespace planish::onnx
