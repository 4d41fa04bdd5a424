// SPDX-License-Identifier: Apache-2.0
#include "npy.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>

#include "dtypes.h"
#include "files.h"

namespace planish::cli {
namespace {

struct Descr {
  const char* text;  // without the byte order
  int dtype;
};
constexpr Descr kDescrs[] = {
    {"f4", kFloat},  {"u1", kUint8},  {"i1", kInt8},      {"u2", kUint16},     {"i2", kInt16},
    {"i4", kInt32},  {"i8", kInt64},  {"b1", kBool},      {"f2", kHalf},       {"f8", kDouble},
    {"u4", kUint32}, {"u8", kUint64}, {"c8", kComplex64}, {"c16", kComplex128}};
constexpr size_t kMaxRank = 64;

struct Header {
  char order = '|';
  std::string type;  // "f4", "U5", "V2"
  bool is_fortran = false;
  std::vector<int64_t> dims;
  size_t data = 0;  // where they begin
};

// Reads the header's dictionary, a Python literal with the keys descr, fortran_order and shape.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  Header parse() {
    Header out;
    bool has_type = false, has_order = false, has_shape = false;
    expect('{');
    while (!take('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        descr(out);
        has_type = true;
      } else if (key == "fortran_order") {
        out.is_fortran = boolean();
        has_order = true;
      } else if (key == "shape") {
        shape(out.dims);
        has_shape = true;
      } else {
        fail("key \"" + key + "\" is unknown");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    if (!has_type || !has_order || !has_shape)
      fail("expected the keys descr, fortran_order and shape");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    fail_file(path_, "its .npy header is wrong: " + what);
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("expected '") + c + "' at character " + std::to_string(at_));
  }
  std::string string() {
    skip();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) {
      if (at_ < text_.size() && text_[at_] == '[')
        fail_file(path_, "holds a structured array, expected a plain one",
                  "save each field as an array of its own");
      fail("expected a string at character " + std::to_string(at_));
    }
    const char quote = text_[at_++];
    const size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("a string has no end");
    std::string out(text_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  bool boolean() {
    skip();
    for (const std::string_view word : {"True", "False"})
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    fail("fortran_order: expected True or False");
  }
  void descr(Header& out) {
    const std::string text = string();
    if (text.size() < 2) fail("descr \"" + text + "\"");
    out.order = text[0];
    out.type = text.substr(1);
    if (out.order == '=') out.order = '<';
    if (std::strchr("<>|", out.order) == nullptr) fail("descr \"" + text + "\"");
  }
  void shape(std::vector<int64_t>& dims) {
    expect('(');
    while (!take(')')) {
      skip();
      int64_t d = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), d);
      if (error != std::errc() || d < 0)
        fail("shape: expected dimensions of 0 to 2^63-1 at character " + std::to_string(at_));
      at_ = static_cast<size_t>(end - text_.data());
      dims.push_back(d);
      if (dims.size() > kMaxRank) fail("shape: more than 64 dimensions");
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
};

size_t little_endian(std::string_view bytes, size_t at, int n) {
  size_t out = 0;
  for (int i = n - 1; i >= 0; --i)
    out = out << 8 | static_cast<unsigned char>(bytes[at + static_cast<size_t>(i)]);
  return out;
}

Header parse_header(std::string_view bytes, const std::string& path) {
  if (bytes.size() < 10 || bytes.substr(0, 6) != "\x93NUMPY") fail_file(path, "is no .npy file");
  const int version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3)
    fail_file(path, "is a .npy file of version " + std::to_string(version) + ", expected 1 to 3");
  const size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start) fail_file(path, "is cut off in its .npy header");
  const size_t length = little_endian(bytes, 8, version == 1 ? 2 : 4);
  if (length > bytes.size() - start) fail_file(path, "is cut off in its .npy header");
  Header header = HeaderParser(bytes.substr(start, length), path).parse();
  header.data = start + length;
  return header;
}

// Bytes of an element: the number behind the kind. 0: none there.
size_t width_of(const std::string& type) {
  size_t width = 0;
  const auto [end, error] = std::from_chars(type.data() + 1, type.data() + type.size(), width);
  return error == std::errc() && end == type.data() + type.size() ? width : 0;
}

// The dtype of the elements, given what is wanted; 0 if it is none that there is.
int dtype_of(const Header& header, int wanted) {
  const int bits = dtype_bits(wanted);
  if (bits > 0 && bits < 8 && wanted != kFloat4E2M1Fn &&
      header.type == (is_signed_integer(wanted) ? "i1" : "u1"))
    return wanted;
  if (header.type == "V2" && wanted == kBfloat16) return wanted;
  if (header.type == "V1" && (wanted == kFloat4E2M1Fn || (bits == 8 && wanted > kBfloat16)))
    return wanted;
  for (const Descr& d : kDescrs)
    if (header.type == d.text) return d.dtype;
  return 0;
}

// Calls `copy(from, to)` with the element numbers that a change from column-major order needs.
template <class Copy>
void from_fortran(const std::vector<int64_t>& dims, size_t count, Copy copy) {
  std::vector<size_t> stride(dims.size(), 1), index(dims.size(), 0);
  for (size_t i = 1; i < dims.size(); ++i)
    stride[i] = stride[i - 1] * static_cast<size_t>(dims[i - 1]);
  size_t from = 0;
  for (size_t to = 0; to < count; ++to) {
    copy(from, to);
    for (size_t axis = dims.size(); axis-- > 0;) {
      from += stride[axis];
      if (++index[axis] < static_cast<size_t>(dims[axis])) break;
      from -= stride[axis] * static_cast<size_t>(dims[axis]);
      index[axis] = 0;
    }
  }
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::string decode_string(std::string_view cell, char kind, bool is_big, const std::string& path) {
  std::string out;
  if (kind == 'S') {
    out = cell;
  } else {
    for (size_t i = 0; i + 4 <= cell.size(); i += 4) {
      auto c = static_cast<uint32_t>(little_endian(cell, i, 4));
      if (is_big) c = __builtin_bswap32(c);
      if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        fail_file(path, "holds a character that is none in Unicode");
      append_utf8(out, c);
    }
  }
  while (!out.empty() && out.back() == '\0') out.pop_back();
  return out;
}

Value parse_strings(const Header& header, std::string_view data, const std::string& path) {
  const char kind = header.type[0];
  const size_t width = width_of(header.type) * (kind == 'U' ? 4 : 1);
  const auto count = tensor_bytes(kUint8, header.dims);
  uint64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, uint64_t{width}, &bytes))
    fail_file(path, "has the shape " + dims_text(header.dims) + ", which is too large");
  // Empty strings have no bytes that would bound their number.
  if (bytes != data.size() || (width == 0 && *count > kMaxInputBytes / 64))
    fail_file(path, "has " + std::to_string(data.size()) + " bytes of data, expected " +
                        std::to_string(bytes));
  std::vector<std::string> out(*count);
  const auto cell = [&](size_t from, size_t to) {
    out[to] = decode_string(data.substr(from * width, width), kind, header.order == '>', path);
  };
  if (header.is_fortran)
    from_fortran(header.dims, out.size(), cell);
  else
    for (size_t i = 0; i < out.size(); ++i) cell(i, i);
  return Value::strings(header.dims, out);
}

std::vector<uint32_t> decode_utf8(const std::string& text, bool& is_valid) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = lead < 0x80       ? 0
                     : lead >> 5 == 6  ? 1
                     : lead >> 4 == 14 ? 2
                     : lead >> 3 == 30 ? 3
                                       : -1;
    if (more < 0 || i + static_cast<size_t>(more) >= text.size()) {
      is_valid = false;
      return out;
    }
    uint32_t c = more == 0 ? lead : lead & (0x3F >> more);
    for (int k = 1; k <= more; ++k) {
      const auto tail = static_cast<unsigned char>(text[i + static_cast<size_t>(k)]);
      if (tail >> 6 != 2) is_valid = false;
      c = c << 6 | (tail & 0x3F);
    }
    out.push_back(c);
    i += static_cast<size_t>(more) + 1;
  }
  return out;
}

// Fixed width, as NumPy wants it: U if all is UTF-8, else S.
std::string string_cells(const Value& tensor, std::string& type) {
  const size_t count = element_count(tensor);
  std::vector<std::vector<uint32_t>> wide;
  std::vector<std::string> narrow;
  bool is_utf8 = true;
  size_t width = 1;
  for (size_t i = 0; i < count; ++i) {
    narrow.push_back(tensor.string(static_cast<int64_t>(i)));
    wide.push_back(decode_utf8(narrow.back(), is_utf8));
  }
  for (size_t i = 0; i < count; ++i)
    width = std::max(width, is_utf8 ? wide[i].size() : narrow[i].size());
  type = (is_utf8 ? "<U" : "|S") + std::to_string(width);
  std::string out(count * width * (is_utf8 ? 4 : 1), '\0');
  for (size_t i = 0; i < count; ++i) {
    if (!is_utf8) std::memcpy(&out[i * width], narrow[i].data(), narrow[i].size());
    for (size_t k = 0; is_utf8 && k < wide[i].size(); ++k)
      std::memcpy(&out[(i * width + k) * 4], &wide[i][k], 4);
  }
  return out;
}

void pack_checked(const std::string& bytes, Value& value, const std::string& path) {
  const auto wrong = pack(bytes.data(), value);
  if (!wrong) return;
  const auto [least, greatest] = integer_range(value.dtype());
  const auto byte = static_cast<uint8_t>(bytes[*wrong]);
  throw Error(ErrorCode::kInvalidValue,
              "\"" + path + "\": element " + std::to_string(*wrong) + ": expected " +
                  std::to_string(least) + " to " + std::to_string(greatest) + " for " +
                  dtype_name(value.dtype()) + ", got " +
                  std::to_string(least < 0 ? static_cast<int8_t>(byte) : byte));
}

}  // namespace

Value parse_npy(std::string_view bytes, const std::string& path, int wanted) {
  const Header header = parse_header(bytes, path);
  const std::string_view data = bytes.substr(header.data);
  if (header.type[0] == 'O')
    fail_file(path, "holds Python objects, which are not read",
              "save an array of numbers, or of strings of fixed width (dtype U)");
  if (header.type[0] == 'U' || header.type[0] == 'S') return parse_strings(header, data, path);
  const int dtype = dtype_of(header, wanted);
  if (dtype == 0)
    fail_file(path, "holds elements of type " + header.type + ", which Planish does not have");
  const size_t width = width_of(header.type);
  const auto bytes_expected = tensor_bytes(static_cast<int>(kUint8), header.dims);
  uint64_t total = 0;
  if (!bytes_expected || __builtin_mul_overflow(*bytes_expected, uint64_t{width}, &total))
    fail_file(path, "has the shape " + dims_text(header.dims) + ", which is too large");
  if (total != data.size())
    fail_file(path, (data.size() < total ? "is cut off: its shape " : "is too long: its shape ") +
                        dims_text(header.dims) + " needs " + std::to_string(total) +
                        " bytes, got " + std::to_string(data.size()));
  std::string straight(data);
  const size_t count = static_cast<size_t>(*bytes_expected);
  if (header.is_fortran)
    from_fortran(header.dims, count, [&](size_t from, size_t to) {
      std::memcpy(&straight[to * width], data.data() + from * width, width);
    });
  if (header.order == '>' && width > 1) {
    const size_t part = header.type[0] == 'c' ? width / 2 : width;
    for (size_t at = 0; at + part <= straight.size(); at += part)
      std::reverse(straight.begin() + static_cast<std::ptrdiff_t>(at),
                   straight.begin() + static_cast<std::ptrdiff_t>(at + part));
  }
  Value value = Value::allocate(dtype, header.dims);
  if (dtype_bits(dtype) < 8)
    pack_checked(straight, value, path);
  else if (!straight.empty())
    std::memcpy(value.data(), straight.data(), straight.size());
  return value;
}

std::string to_npy(const Value& tensor) {
  std::string type, cells;
  const int dtype = tensor.dtype(), bits = dtype_bits(dtype);
  if (dtype == kString) {
    cells = string_cells(tensor, type);
  } else if (bits < 8) {
    cells = unpack(tensor);
    type = dtype == 23 ? "|V1" : is_signed_integer(dtype) ? "|i1" : "|u1";
  } else {
    cells.assign(static_cast<const char*>(tensor.data()), tensor.bytes());
    type = bits == 16 ? "|V2" : "|V1";
    for (const Descr& d : kDescrs)
      if (d.dtype == dtype) type = std::string(bits == 8 ? "|" : "<") + d.text;
  }
  std::string shape;
  for (int64_t d : tensor.dims()) shape += std::to_string(d) + ", ";
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string all("\x93NUMPY\x01\x00", 8);
  all += static_cast<char>(header.size() & 255);
  all += static_cast<char>(header.size() >> 8);
  return all + header + cells;
}

}  // namespace planish::cli
