// SPDX-License-Identifier: Apache-2.0
// The machine code of a plan for one target: a section named "cuda/sm_90a" of
//   u32 magic, u32 count, count x { u8 key[32], u64 offset, u64 bytes }, code
// Keys are hashes of the kernels' sources in hexadecimal, in ascending order; each code is an ELF
// file, aligned to 16.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace planish::cuda {

inline constexpr size_t kKeyLength = 32;

using Code = std::vector<std::byte>;

std::vector<std::byte> write_archive(const std::map<std::string, Code>& codes);

// Codes by key; they refer to `bytes`. Throws kInvalidPlan.
std::map<std::string, std::span<const std::byte>, std::less<>> read_archive(
    std::span<const std::byte> bytes);

// "cuda/" + target
std::string section_name(std::string_view target);

}  // namespace planish::cuda
