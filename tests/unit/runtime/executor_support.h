// SPDX-License-Identifier: Apache-2.0
// Graphs in text form, run by the interpreter and by an engine made from them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/ref/compile/lower.h"
#include "ir/graph.h"
#include "runtime/context.h"
#include "runtime/engine.h"

namespace planish::test {

std::unique_ptr<ir::Graph> parse_graph(const std::string& text);
plan::Plan lower_text(const std::string& text, const ref::ChooseStep& choose = {});
std::shared_ptr<Engine> make_engine(plan::Plan plan, int threads = 1);
std::shared_ptr<Engine> engine_of(const std::string& text, const ref::ChooseStep& choose = {});

Datum floats(Dims dims, std::vector<float> values);
// 0, 1, 2, ... scaled by `step`.
Datum ramp(Dims dims, float step = 1);
Datum integers(Dims dims, std::vector<int64_t> values);

// Bit for bit, recursively; says where they differ.
std::string difference(const Datum& a, const Datum& b);
std::string difference(const std::vector<Datum>& a, const std::vector<Datum>& b);
// Empty if engine and interpreter agree on these inputs; runs a poisoned engine, twice.
std::string check_against_interpreter(const std::string& text,
                                      const std::vector<std::vector<Datum>>& runs,
                                      const ref::ChooseStep& choose = {});

// Picks kernel `name` for every node of the op.
ref::ChooseStep choose_kernel(const std::string& op, const std::string& kernel);

}  // namespace planish::test
