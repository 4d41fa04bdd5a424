// SPDX-License-Identifier: Apache-2.0
// The options of a build and of a run, from the table in planish/options.def.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"

namespace planish {

struct Options {
#define PLANISH_INTEGER(name, fallback, least, greatest, scope, help) int64_t name = fallback;
#define PLANISH_REAL(name, fallback, least, greatest, scope, help) double name = fallback;
#define PLANISH_TEXT(name, fallback, choices, scope, help) std::string name = fallback;
#define PLANISH_FLAG(name, fallback, scope, help) bool name = fallback;
#include "planish/options.def"
#undef PLANISH_INTEGER
#undef PLANISH_REAL
#undef PLANISH_TEXT
#undef PLANISH_FLAG

  RunLimits run_limits() const { return {max_loop_iterations, max_value_bytes, max_scalar_work}; }
};

struct OptionRow {
  std::string_view name;
  enum class Kind : uint8_t { kInteger, kReal, kText, kFlag } kind;
  std::string fallback;
  std::string_view choices;  // kText
  std::string_view scope;
  std::string_view help;
};
const std::vector<OptionRow>& option_rows();

// Sets one option from text. Throws kInvalidArgument naming the option, what was expected and what
// was given; a name that does not exist gets the nearest one as hint.
void set_option(Options& options, std::string_view name, std::string_view text);
// The table's defaults, overridden by PLANISH_* environment variables that are set.
Options options_from_environment();
// The parts of a comma-separated list, blanks trimmed.
std::vector<std::string> split_list(std::string_view text);

}  // namespace planish
