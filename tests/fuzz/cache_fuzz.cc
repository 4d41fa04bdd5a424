// SPDX-License-Identifier: Apache-2.0
// Any text is a timing cache or a typed error; what is read is written the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/hash.h"
#include "base/str.h"
#include "planish/error.h"
#include "tuner/timing_cache.h"

namespace {

void check(const std::string& text) {
  using namespace planish;
  try {
    const tuner::CachedChoices choices = tuner::read_choices(text);
    if (tuner::read_choices(tuner::write_choices(choices)) != choices) std::abort();
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kInternal) std::abort();
  }
}

// With the head and the hash that belong to the body.
std::string sealed(const std::string& body) {
  return planish::concat("planish timing cache 1\nhash ", planish::hash128(body).hex(), "\n", body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text);
  check(sealed(text));
  return 0;
}
