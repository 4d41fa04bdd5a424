// SPDX-License-Identifier: Apache-2.0
// NumPy's files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
//
// Types that NumPy lacks travel as ml_dtypes writes them: bfloat16 as V2, the float8 kinds and
// float4 as V1; integers of 4 and 2 bits as i1 and u1. Strings are U (read: also S).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "planish/planish.h"

namespace planish::cli {

// `path` is for messages. `dtype`: what is wanted, for elements that only it can name (V1, V2, i1
// for int4); 0: nothing. Fortran order and big endian are put right. Throws kFileError.
Value parse_npy(std::string_view bytes, const std::string& path, int dtype = 0);
// Requires a tensor.
std::string to_npy(const Value& tensor);

// A .npz: a zip of .npy files, by name without ".npy". The archive's directory is checked whole;
// only members that are asked for are unpacked.
class NpzReader {
 public:
  NpzReader(std::string bytes, std::string path);
  bool has(const std::string& name) const { return members_.count(name) != 0; }
  std::vector<std::string> names() const;
  // Throws kFileError.
  Value read(const std::string& name, int dtype = 0) const;

 private:
  struct Member {
    uint64_t offset = 0, packed = 0, size = 0;
    uint32_t crc = 0;
    int method = 0;
  };
  void read_directory();
  std::string_view data_of(const Member& member) const;

  std::string bytes_;
  std::string path_;
  std::map<std::string, Member> members_;
};

// Tensors by name, uncompressed.
std::string to_npz(const std::map<std::string, Value>& tensors);

}  // namespace planish::cli
