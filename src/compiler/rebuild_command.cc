// SPDX-License-Identifier: Apache-2.0
#include "compiler/rebuild_command.h"

#include <algorithm>
#include <set>

#include "base/str.h"
#include "plan/file_format.h"
#include "tensor/tensor.h"

namespace planish {
namespace {

constexpr const char* kPlain = "planish build MODEL.onnx -o MODEL.plan";

// Places of this machine and limits of a build: another build of the same plan has its own.
const std::set<std::string_view> kOmitted = {
    "timing_cache",  "nvrtc",       "kernel_cache",     "external_data",  "tuning_seconds",
    "build_seconds", "max_nesting", "max_build_memory", "max_model_nodes"};

std::string quoted(const std::string& text) {
  constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (!text.empty() && text.find_first_not_of(kSafe) == std::string::npos) return text;
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string flag(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', '-');
  return " --" + out;
}

void add(std::string& out, std::string_view name, const std::string& value) {
  out += flag(name) + " " + quoted(value);
}

void add_options(std::string& out, const Options& options) {
  const auto is_kept = [](std::string_view name, std::string_view scope) {
    return scope != "run" && kOmitted.count(name) == 0;
  };
#define PLANISH_INTEGER(name, fallback, least, greatest, scope, help) \
  if (is_kept(#name, scope) && options.name != (fallback))            \
    add(out, #name, std::to_string(options.name));
#define PLANISH_REAL(name, fallback, least, greatest, scope, help) \
  if (is_kept(#name, scope) && options.name != (fallback)) add(out, #name, concat(options.name));
#define PLANISH_TEXT(name, fallback, choices, scope, help)                 \
  if (is_kept(#name, scope) && options.name != std::string_view(fallback)) \
    add(out, #name, options.name);
#define PLANISH_FLAG(name, fallback, scope, help) \
  if (is_kept(#name, scope) && options.name != (fallback)) out += flag(#name);
#include "planish/options.def"
#undef PLANISH_INTEGER
#undef PLANISH_REAL
#undef PLANISH_TEXT
#undef PLANISH_FLAG
}

}  // namespace

std::string rebuild_command(const BuildRequest& request) {
  std::string out = kPlain;
  if (!request.profiles.empty())
    for (const auto& [input, range] : request.profiles.front()) {
      std::string shape = range.opt.empty() ? "" : dims_to_string(range.opt);
      if (range.min != range.max)
        shape = concat(dims_to_string(range.min), ":", shape, ":", dims_to_string(range.max));
      out += " --shapes " + quoted(input + "=" + shape);
    }
  add_options(out, request.options);
  if (request.profiles.size() > 1)
    out += concat(" # the first of ", request.profiles.size(), " profiles; Python takes them all");
  return out.size() <= plan::file::kMaxCommandBytes ? out : kPlain;
}

}  // namespace planish
