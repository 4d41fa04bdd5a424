// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "plan/plan.h"
namespace planish::plan {
Plan read_plan(std::span<const std::byte> bytes);
Plan load_plan(const std::string& path, FileAccess access);
}
