// SPDX-License-Identifier: Apache-2.0
// Plans whose hashes are right and whose contents are anything: read, made into an engine, laid
// out.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/checked.h"
#include "base/file.h"
#include "plan/file_format.h"
#include "plan/reader.h"
#include "plan/writer.h"
#include "planish/error.h"
#include "runtime/context.h"

namespace {

using namespace planish;  // NOLINT: a program of one file

template <class T>
T get(const std::byte* bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes + offset, sizeof(value));
  return value;
}

// Makes every hash right that lies where the header says.
void seal(std::span<std::byte> bytes) {
  if (bytes.size() < plan::file::kCommandOffset) return;
  std::memcpy(bytes.data(), plan::file::kMagic.data(), plan::file::kMagic.size());
  const uint64_t total = bytes.size();
  std::memcpy(bytes.data() + 16, &total, sizeof(total));
  const uint64_t header = get<uint32_t>(bytes.data(), 12);
  if (header < plan::file::kCommandOffset || header > total) return;
  const uint64_t table =
      plan::file::kCommandOffset + (uint64_t{get<uint32_t>(bytes.data(), 28)} + 7) / 8 * 8;
  for (uint64_t i = 0; i < 2 && table + (i + 1) * plan::file::kSectionBytes <= header; ++i) {
    std::byte* entry = bytes.data() + table + i * plan::file::kSectionBytes;
    const auto offset = get<uint64_t>(entry, 8), length = get<uint64_t>(entry, 16);
    if (offset > total || length > total - offset) return;
    const Hash128 hash = hash128(std::span<const std::byte>(bytes.subspan(offset, length)));
    std::memcpy(entry + 24, &hash, sizeof(hash));
  }
  const Hash128 hash = plan::file::header_hash(bytes.first(header));
  std::memcpy(bytes.data() + plan::file::kHashOffset, &hash, sizeof(hash));
}

// Zeros of the least dims that the type allows; nullopt if that is no small tensor.
std::optional<Datum> least(const Type& type) {
  if (!type.has_rank() || dtype_bits(type.dtype) == 0) return std::nullopt;
  Dims dims;
  for (const Dim& d : *type.shape) dims.push_back(std::max<int64_t>(d.range().min, 1));
  int64_t count = 0;
  if (!try_element_count(dims, &count) || count > 4096) return std::nullopt;
  Tensor t(type.dtype, std::move(dims));
  if (t.bytes() != 0) std::memset(t.data(), 0, t.bytes());
  return t;
}

void run(const Engine& engine) {
  std::vector<Datum> inputs;
  for (const plan::Port& port : engine.inputs()) {
    std::optional<Datum> input = least(port.type);
    if (!input) return;
    inputs.push_back(std::move(*input));
  }
  for (const plan::Port& port : engine.outputs())
    if (!least(port.type)) return;
  for (const ArenaReport& arena : engine.memory().arenas)
    if (arena.arena_bytes > (uint64_t{1} << 24)) return;
  engine.create_context()->run(inputs);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::shared_ptr<std::byte> block = allocate_bytes(size);
  if (size != 0) std::memcpy(block.get(), data, size);
  seal({block.get(), size});
  try {
    plan::Plan plan = plan::read_plan({.bytes = {block.get(), size}, .owner = block}, true);
    // Weights need not have their hashes here.
    plan.unchecked = nullptr;
    plan::write_plan(plan);
    EngineOptions options{.threads = 1};
    options.limits.value_bytes = int64_t{1} << 24;
    run(*Engine::create(std::move(plan), options));
  } catch (const Error&) {
    // Refused, as it should be.
  }
  return 0;
}
