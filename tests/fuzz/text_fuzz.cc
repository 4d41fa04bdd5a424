// SPDX-License-Identifier: Apache-2.0
// Any text is a graph or a typed error; a graph prints as text that means the same.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "ir/text.h"
#include "ir/verify.h"
#include "passes/infer.h"
#include "planish/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace planish;
  constexpr int64_t kSplatBytes = 1 << 20;
  std::unique_ptr<ir::Graph> graph;
  try {
    graph = ir::parse({reinterpret_cast<const char*>(data), size}, kSplatBytes);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kInternal) return 0;
    std::fprintf(stderr, "%s\n", e.what());
    std::abort();
  }
  ir::verify(*graph);
  const std::string text = ir::print(*graph);
  if (ir::print(*ir::parse(text)) != text) {
    std::fprintf(stderr, "%s\nis printed as\n%s\n", text.c_str(),
                 ir::print(*ir::parse(text)).c_str());
    std::abort();
  }
  try {
    passes::infer_types(*graph, passes::Known::kIgnore);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kInternal) return 0;
    std::fprintf(stderr, "%s\n", e.what());
    std::abort();
  }
  return 0;
}
