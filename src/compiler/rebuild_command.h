// SPDX-License-Identifier: Apache-2.0
// How a user makes a plan again.
#pragma once

#include <string>

#include "compiler/builder.h"

namespace planish {

// "planish build MODEL.onnx -o MODEL.plan" with the shapes and the options that decide what the
// plan is: no paths, and nothing that only says how long a build may take.
PLANISH_API std::string rebuild_command(const BuildRequest& request);

}  // namespace planish
