// SPDX-License-Identifier: Apache-2.0
// Texts that users type: values of options, shapes, dims. Each is taken or a typed error.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/options.h"
#include "compiler/builder.h"
#include "plan/dim_text.h"
#include "planish/error.h"
#include "tensor/dim.h"

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

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace planish;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const OptionRow& row : option_rows())
    attempt([&] {
      Options options;
      set_option(options, row.name, text);
    });
  attempt([&] {
    Options options;
    const size_t cut = text.find('=');
    if (cut != std::string::npos) set_option(options, text.substr(0, cut), text.substr(cut + 1));
  });
  split_list(text);
  attempt([&] { parse_dims(text); });
  attempt([&] {
    const Dim dim = Dim::parse(text);
    if (!(Dim::parse(dim.to_string()) == dim)) std::abort();
  });
  return 0;
}
