// SPDX-License-Identifier: Apache-2.0
// Any bytes are a model or a typed error that is no bug of ours.
#include <cstdio>
#include <cstdlib>
#include <span>

#include "import/onnx/importer.h"
#include "planish/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace planish;
  onnx::ImportOptions options;
  options.limits.nodes = 4096;
  options.limits.dense_bytes = 1 << 20;
  try {
    onnx::import_bytes(std::as_bytes(std::span(data, size)), options);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kInternal) {
      std::fprintf(stderr, "%s\n", e.what());
      std::abort();
    }
  }
  return 0;
}
