// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "plan/plan.h"
namespace planish::plan {
std::vector<std::byte> write_plan(const Plan& plan);
void save_plan(const Plan& plan, const std::string& path);
}
