// SPDX-License-Identifier: Apache-2.0
// Files with input data: .npy, .npz, tensors of ONNX and pictures. Each is read or a typed error.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "import/onnx/datum.h"
#include "npy.h"
#include "picture.h"
#include "planish/error.h"
#include "tensor_proto.h"

namespace {

template <class F>
void attempt(F f) {
  try {
    f();
  } catch (const planish::Error& e) {
    if (e.code() != planish::ErrorCode::kInternal) return;
    std::fprintf(stderr, "%s\n", e.what());
    std::abort();
  }
}

}  // namespace

// The first byte says which reader, the rest is the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace planish;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::span<const std::byte> raw = std::as_bytes(std::span(bytes.data(), bytes.size()));
  switch (data[0] % 8) {
    case 0: attempt([&] { cli::parse_npy(bytes, "f.npy"); }); break;
    case 1: attempt([&] { cli::parse_npy(bytes, "f.npy", 16); }); break;
    case 2:
      attempt([&] {
        const cli::NpzReader archive(std::string(bytes), "f.npz");
        for (const std::string& name : archive.names()) attempt([&] { archive.read(name); });
      });
      break;
    case 3: attempt([&] { cli::parse_tensor_file(bytes, "float32[n]", "f.pb"); }); break;
    case 4: attempt([&] { cli::decode_picture(bytes, 3, "f.png"); }); break;
    case 5: attempt([&] { onnx::parse_datum(raw, Type{}, "f"); }); break;
    case 6: attempt([&] { onnx::parse_datum(raw, Type::sequence({}), "f"); }); break;
    default: attempt([&] { onnx::parse_datum(raw, Type::optional({}), "f"); }); break;
  }
  return 0;
}
