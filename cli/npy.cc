// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "common.h"

namespace planish::cli {
namespace {

struct Descr {
  const char* text;
  int dtype;
};
constexpr Descr kDescrs[] = {{"<f4", 1},  {"|u1", 2},  {"|i1", 3},  {"<u2", 4},  {"<i2", 5},
                             {"<i4", 6},  {"<i8", 7},  {"|b1", 9},  {"<f2", 10}, {"<f8", 11},
                             {"<u4", 12}, {"<u8", 13}, {"<c8", 14}, {"<c16", 15}};

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kFileError, "\"" + path + "\": " + what);
}

// The text behind 'key': in the header's dictionary.
std::string field(const std::string& path, const std::string& header, const std::string& key) {
  const size_t at = header.find("'" + key + "':");
  if (at == std::string::npos) fail(path, "the .npy header has no " + key);
  size_t first = at + key.size() + 3;
  while (first < header.size() && header[first] == ' ') ++first;
  return header.substr(first);
}

}  // namespace

Value read_npy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "cannot be opened");
  const std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (all.size() < 10 || std::memcmp(all.data(), "\x93NUMPY", 6) != 0)
    fail(path, "is no .npy file");
  const auto byte = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(all[i]));
  };
  const bool is_long = all[6] >= 2;
  const size_t start = is_long ? 12 : 10;
  if (all.size() < start) fail(path, "is cut off");
  const size_t length =
      is_long ? byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24 : byte(8) | byte(9) << 8;
  if (length > all.size() - start) fail(path, "is cut off");
  const std::string header = all.substr(start, length);
  const std::string descr = field(path, header, "descr");
  int dtype = 0;
  for (const Descr& d : kDescrs)
    if (descr.compare(1, std::strlen(d.text), d.text) == 0 &&
        descr[1 + std::strlen(d.text)] == descr[0])
      dtype = d.dtype;
  if (dtype == 0)
    fail(path, "holds elements of type " + descr.substr(0, descr.find(',')) +
                   ", which are not supported");
  if (field(path, header, "fortran_order").rfind("False", 0) != 0)
    fail(path, "is in Fortran order: save it in C order");
  std::vector<int64_t> dims;
  const std::string shape = field(path, header, "shape");
  for (size_t i = 1; i < shape.size() && shape[i] != ')';) {
    if (std::isdigit(static_cast<unsigned char>(shape[i]))) {
      size_t used = 0;
      try {
        dims.push_back(std::stoll(shape.substr(i), &used));
      } catch (const std::exception&) {
        fail(path, "has a shape that is out of range");
      }
      i += used;
    } else {
      ++i;
    }
  }
  Value value = Value::allocate(dtype, dims);
  if (all.size() - start - length < value.bytes()) fail(path, "is cut off");
  std::memcpy(value.data(), all.data() + start + length, value.bytes());
  return value;
}

void write_npy(const std::string& path, const Value& value) {
  const char* descr = nullptr;
  for (const Descr& d : kDescrs)
    if (d.dtype == value.dtype()) descr = d.text;
  if (descr == nullptr)
    fail(path, std::string("elements of type ") + dtype_name(value.dtype()) +
                   " do not go into .npy files");
  std::string shape;
  for (int64_t d : value.dims()) shape += std::to_string(d) + ", ";
  std::string header =
      std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string all("\x93NUMPY\x01\x00", 8);
  all += static_cast<char>(header.size() & 255);
  all += static_cast<char>(header.size() >> 8);
  all += header;
  all.append(static_cast<const char*>(value.data()), value.bytes());
  const std::string temporary = path + ".tmp";
  {
    std::ofstream file(temporary, std::ios::binary);
    file.write(all.data(), static_cast<std::streamsize>(all.size()));
    if (!file.flush()) fail(path, "cannot be written");
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "cannot be written");
}

}  // namespace planish::cli
