// SPDX-License-Identifier: Apache-2.0
#include "tensor_proto.h"

#include <cstring>
#include <vector>

#include "dtypes.h"
#include "files.h"

namespace planish::cli {
namespace {

constexpr int kMaxDepth = 32;
enum Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  int number = 0;
  int wire = 0;
  uint64_t value = 0;      // kVarint, kFixed64, kFixed32
  std::string_view bytes;  // kBytes
};

class Reader {
 public:
  Reader(std::string_view data, const std::string& path) : data_(data), path_(path) {}

  bool next(Field& field) {
    if (at_ == data_.size()) return false;
    const uint64_t key = varint();
    field.wire = static_cast<int>(key & 7);
    if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) fail();
    field.number = static_cast<int>(key >> 3);
    switch (field.wire) {
      case kVarint: field.value = varint(); break;
      case kFixed64: field.value = fixed(8); break;
      case kFixed32: field.value = fixed(4); break;
      case kBytes: {
        const uint64_t size = varint();
        if (size > data_.size() - at_) fail();
        field.bytes = data_.substr(at_, size);
        at_ += size;
        break;
      }
      default: fail();
    }
    return true;
  }
  uint64_t varint() {
    uint64_t out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ == data_.size()) fail();
      const auto byte = static_cast<unsigned char>(data_[at_++]);
      if (shift < 64) out |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return out;
    }
    fail();
  }
  uint64_t fixed(size_t size) {
    if (size > data_.size() - at_) fail();
    uint64_t out = 0;
    std::memcpy(&out, data_.data() + at_, size);
    at_ += size;
    return out;
  }
  bool at_end() const { return at_ == data_.size(); }
  [[noreturn]] void fail() const {
    fail_file(path_, "is no ONNX tensor file, or is cut off",
              "expected a TensorProto, written by onnx.save_tensor");
  }

 private:
  std::string_view data_;
  const std::string& path_;
  size_t at_ = 0;
};

struct TensorFields {
  std::vector<int64_t> dims;
  int dtype = 0;
  std::string_view raw;
  bool has_raw = false;
  std::vector<uint64_t> numbers;  // of the typed field, as bits
  int field = 0;                  // which that is; 0: there are none
  std::vector<std::string> strings;
};

// A repeated number, packed or not.
void add_numbers(const Field& field, Wire wire, std::vector<uint64_t>& out,
                 const std::string& path) {
  if (field.wire == wire) {
    out.push_back(field.value);
    return;
  }
  Reader packed(field.bytes, path);
  if (field.wire != kBytes) packed.fail();
  while (!packed.at_end())
    out.push_back(wire == kVarint ? packed.varint() : packed.fixed(wire == kFixed64 ? 8 : 4));
}

TensorFields read_fields(std::string_view bytes, const std::string& path) {
  Reader reader(bytes, path);
  TensorFields out;
  std::vector<uint64_t> dims;
  for (Field field; reader.next(field);) {
    const bool is_typed = field.number == 4 || field.number == 5 || field.number == 7 ||
                          field.number == 10 || field.number == 11;
    if (is_typed && out.field != 0 && out.field != field.number)
      fail_file(path, "keeps its numbers in two fields");
    if (is_typed) out.field = field.number;
    switch (field.number) {
      case 1: add_numbers(field, kVarint, dims, path); break;
      case 2: out.dtype = static_cast<int>(field.value & 0xFFFF); break;
      case 4: add_numbers(field, kFixed32, out.numbers, path); break;
      case 5:
      case 7:
      case 11: add_numbers(field, kVarint, out.numbers, path); break;
      case 10: add_numbers(field, kFixed64, out.numbers, path); break;
      case 6: out.strings.emplace_back(field.bytes); break;
      case 9:
        out.raw = field.bytes;
        out.has_raw = true;
        break;
      case 13:
        fail_file(path, "keeps its data in another file",
                  "save it with the data inside: onnx.save_tensor of a tensor made by "
                  "onnx.numpy_helper.from_array");
      default: break;
    }
  }
  for (uint64_t d : dims) out.dims.push_back(static_cast<int64_t>(d));
  return out;
}

[[noreturn]] void fail_size(const TensorFields& t, uint64_t expected, uint64_t got,
                            const std::string& unit, const std::string& path) {
  fail_file(path, std::string(dtype_name(t.dtype)) + " tensor of shape " + dims_text(t.dims) +
                      ": expected " + std::to_string(expected) + " " + unit + ", got " +
                      std::to_string(got));
}

// The field that TensorProto has for numbers of the type.
int field_of(int dtype) {
  switch (dtype) {
    case kFloat:
    case kComplex64: return 4;
    case kDouble:
    case kComplex128: return 10;
    case kInt64: return 7;
    case kUint32:
    case kUint64: return 11;
    default: return 5;
  }
}

// Numbers are wider in the file than their type: those that it does not hold are refused.
void check_numbers(const TensorFields& t, const std::string& path) {
  if (t.numbers.empty()) return;
  const int expected = field_of(t.dtype);
  if (t.field != expected)
    fail_file(path, "keeps numbers of type " + std::string(dtype_name(t.dtype)) + " in field " +
                        std::to_string(t.field) + " of TensorProto, expected " +
                        std::to_string(expected));
  if (t.dtype != kUint32 && (expected != 5 || t.dtype == kInt32)) return;
  // What is no integer, or packed, is there as its bits.
  const bool is_bits = is_floating(t.dtype) || dtype_bits(t.dtype) < 8;
  auto [least, greatest] = integer_range(!is_bits                    ? t.dtype
                                         : dtype_bits(t.dtype) == 16 ? kUint16
                                                                     : kUint8);
  for (size_t i = 0; i < t.numbers.size(); ++i) {
    const auto x = expected == 5 ? int64_t{static_cast<int32_t>(t.numbers[i])}
                                 : static_cast<int64_t>(t.numbers[i]);
    if (x >= least && x <= greatest) continue;
    throw Error(ErrorCode::kInvalidValue, "\"" + path + "\": number " + std::to_string(i) +
                                              ": expected " + std::to_string(least) + " to " +
                                              std::to_string(greatest) + " for " +
                                              dtype_name(t.dtype) + ", got " + std::to_string(x));
  }
}

Value to_tensor(std::string_view bytes, const std::string& path) {
  const TensorFields t = read_fields(bytes, path);
  const auto count = tensor_bytes(kUint8, t.dims);
  if (t.dtype <= 0 || (dtype_bits(t.dtype) == 0 && t.dtype != kString))
    fail_file(path,
              "holds elements of type " + std::to_string(t.dtype) + ", which is none of ONNX's",
              "expected a TensorProto, written by onnx.save_tensor");
  if (!count) fail_file(path, "has a shape that is negative or too large");
  if (t.dtype == kString) {
    if (t.strings.size() != *count) fail_size(t, *count, t.strings.size(), "strings", path);
    return Value::strings(t.dims, t.strings);
  }
  const auto size = tensor_bytes(t.dtype, t.dims);
  if (!size) fail_file(path, "has a shape that is negative or too large");
  if (t.has_raw) {
    if (t.raw.size() != *size) fail_size(t, *size, t.raw.size(), "bytes", path);
  } else {
    // Packed types keep whole bytes in int32_data; complex numbers are two numbers each.
    const int bits = dtype_bits(t.dtype);
    const bool is_pair = t.dtype == kComplex64 || t.dtype == kComplex128;
    const uint64_t expected = bits < 8 ? *size : *count * (is_pair ? 2 : 1);
    if (t.numbers.size() != expected) fail_size(t, expected, t.numbers.size(), "numbers", path);
    check_numbers(t, path);
  }
  Value value = Value::allocate(t.dtype, t.dims);
  if (t.has_raw) {
    if (!t.raw.empty()) std::memcpy(value.data(), t.raw.data(), t.raw.size());
    return value;
  }
  const size_t width = t.numbers.empty() ? 0 : *size / t.numbers.size();
  for (size_t i = 0; i < t.numbers.size(); ++i)
    std::memcpy(static_cast<char*>(value.data()) + i * width, &t.numbers[i], width);
  return value;
}

Value to_value(std::string_view bytes, std::string_view type, const std::string& path, int depth) {
  const bool is_sequence = type.starts_with("sequence("),
             is_optional = type.starts_with("optional(");
  if (!is_sequence && !is_optional) return to_tensor(bytes, path);
  if (depth == kMaxDepth) fail_file(path, "is nested too deep");
  // SequenceProto: 3 tensors, 5 sequences, 7 optionals. OptionalProto: 3 tensor, 5 sequence, 7
  // optional.
  const std::string_view inner = type.substr(9, type.empty() ? 0 : type.size() - 10);
  std::vector<Value> items;
  Reader reader(bytes, path);
  for (Field field; reader.next(field);)
    if (field.wire == kBytes && (field.number == 3 || field.number == 5 || field.number == 7))
      items.push_back(to_value(field.bytes, inner, path, depth + 1));
  if (is_sequence) return Value::sequence(items);
  return items.empty() ? Value() : items.front();
}

}  // namespace

Value parse_tensor_file(std::string_view bytes, const std::string& type, const std::string& path) {
  return to_value(bytes, type, path, 0);
}

}  // namespace planish::cli
