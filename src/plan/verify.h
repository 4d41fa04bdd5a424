// SPDX-License-Identifier: Apache-2.0
// Whether a plan is well formed, so that a runtime may trust its indices, types and order.
#pragma once

#include <set>
#include <string>

#include "plan/plan.h"

namespace planish::plan {

// How deep programs may nest, and how many dims a value may have.
inline constexpr int kMaxNesting = 128;
inline constexpr size_t kMaxRank = 64;

// Checks every rule of plan.h: indices, SSA order, storage classes, types, that programs form a
// tree, that ports and profiles fit the main program. Throws kInvalidPlan with the program and
// step.
void verify(const Plan& plan);

// Symbols that are bound when a program starts: those that are whole dims of its inputs, and those
// bound where it is called.
using SymbolSet = std::set<std::string, std::less<>>;
SymbolSet symbols_bound_by_inputs(const Program& program, const SymbolSet& around);
// A tensor with a dtype whose dims are expressions over `bound`.
bool has_known_dims(const Type& type, const SymbolSet& bound);

}  // namespace planish::plan
