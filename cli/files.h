// SPDX-License-Identifier: Apache-2.0
// Files of the command: read whole, written whole or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "planish/error.h"

namespace planish::cli {

// Bytes that one input may take in memory.
inline constexpr uint64_t kMaxInputBytes = uint64_t{4} << 30;

// Throws kFileError: it cannot be opened, is no regular file, or is larger than kMaxInputBytes.
std::string read_file(const std::string& path);
// To a temporary name in the same folder, flushed, renamed. A symbolic link stays one, and the file
// that it leads to keeps its mode. A pipe, a device that is no disk and the standard output are
// written to as they are. Throws kFileError.
void write_file(const std::string& path, std::string_view bytes);
// With the folders above it.
void make_folder(const std::string& path);

// "\"out/x.npy\": WHAT" as kFileError.
[[noreturn]] void fail_file(const std::string& path, const std::string& what,
                            const std::string& hint = "");

// "npy" of "x.NPY", "" if there is none.
std::string extension(const std::string& path);

}  // namespace planish::cli
