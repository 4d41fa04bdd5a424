// SPDX-License-Identifier: Apache-2.0
// Dims as a plan file holds them: their canonical text.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tensor/dim.h"

namespace planish::plan {

// Expressions that are larger are not kept in plans, so that a hostile one cannot cost much time.
inline constexpr size_t kMaxDimText = 1024;
inline constexpr size_t kMaxDimTerms = 64;

bool is_storable(const Dim& dim);

// Reads what Dim::to_string() writes and nothing else: text that is not canonical is refused before
// it costs more than its length. Throws kInvalidPlan.
Dim parse_dim(std::string_view text, const std::map<std::string, DimRange>& ranges);

}  // namespace planish::plan
