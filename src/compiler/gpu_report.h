// SPDX-License-Identifier: Apache-2.0
// What a machine has for engines on GPUs, for `planish doctor`.
#pragma once

#include <string>

#include "base/options.h"
#include "planish/export.h"

namespace planish {

// As JSON: {"driver", "devices": [...], "compiler", "usable", "fix"}. Throws nothing but bad_alloc.
PLANISH_API std::string describe_gpu(const Options& options);

}  // namespace planish
