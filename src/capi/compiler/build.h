// SPDX-License-Identifier: Apache-2.0
// What the build functions of the C interface share.
#pragma once

#include "compiler/builder.h"
#include "planish/planish_c.h"

namespace planish::capi {

BuildRequest build_request(const planish_options* options);
planish_engine* make_engine(plan::Plan plan, const Options& options);

}  // namespace planish::capi
