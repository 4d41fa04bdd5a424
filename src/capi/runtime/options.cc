// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "base/str.h"
#include "capi/runtime/handles.h"

using planish::Dims;
using planish::Error;
using planish::ErrorCode;
using planish::capi::deref;
using planish::capi::guard;
using planish::capi::text;

namespace planish::capi {

const Options& options_of(const planish_options* options) {
  static const Options kDefault = options_from_environment();
  return options != nullptr ? options->options : kDefault;
}

}  // namespace planish::capi

namespace {

// "1x3x224x224"; "" is a scalar.
Dims parse_shape(const std::string& shape) {
  Dims dims;
  const char* at = shape.data();
  const char* end = at + shape.size();
  while (at != end) {
    int64_t v = 0;
    const auto [next, error] = std::from_chars(at, end, v);
    if (error != std::errc() || v < 0 || (next != end && (*next != 'x' || next + 1 == end)))
      throw Error(ErrorCode::kInvalidArgument,
                  planish::concat("shape \"", shape, "\": expected dimensions like 1x3x224x224"));
    dims.push_back(v);
    at = next == end ? next : next + 1;
  }
  return dims;
}

}  // namespace

planish_status planish_options_create(planish_options** options) {
  return guard([&] { deref(options, "options") = new planish_options(); });
}

void planish_options_release(planish_options* options) { delete options; }

planish_status planish_options_set(planish_options* options, const char* name, const char* value) {
  return guard([&] {
    planish::set_option(deref(options, "options").options, text(name, "name"), text(value, "text"));
  });
}

planish_status planish_options_set_shape(planish_options* options, int profile, const char* input,
                                         const char* min, const char* opt, const char* max) {
  return guard([&] {
    auto& profiles = deref(options, "options").profiles;
    if (profile < 0 || profile > static_cast<int>(profiles.size()))
      throw Error(ErrorCode::kInvalidArgument,
                  planish::concat("profile ", profile, ": expected 0 to ", profiles.size(),
                                  ", since profiles are numbered without gaps"));
    const planish::plan::DimsRange range{parse_shape(text(min, "min")),
                                         parse_shape(text(opt, "opt")),
                                         parse_shape(text(max, "max"))};
    if (profile == static_cast<int>(profiles.size())) profiles.emplace_back();
    profiles[static_cast<size_t>(profile)][text(input, "input")] = range;
  });
}

void planish_options_set_progress(planish_options* options, planish_progress_callback callback,
                                  void* user) {
  if (options == nullptr) return;
  options->progress = callback;
  options->progress_user = user;
}

int planish_option_count(void) { return static_cast<int>(planish::option_rows().size()); }

const char* planish_option_field(int i, int field) {
  struct Fields {
    std::string text[6];
  };
  static const std::vector<Fields> all = [] {
    static constexpr const char* kKinds[] = {"integer", "real", "text", "flag"};
    std::vector<Fields> out;
    for (const planish::OptionRow& row : planish::option_rows())
      out.push_back({{std::string(row.name), kKinds[static_cast<size_t>(row.kind)], row.fallback,
                      std::string(row.choices), std::string(row.scope), std::string(row.help)}});
    return out;
  }();
  if (i < 0 || i >= static_cast<int>(all.size()) || field < 0 || field > 5) return "";
  return all[static_cast<size_t>(i)].text[field].c_str();
}
