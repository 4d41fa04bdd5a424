// SPDX-License-Identifier: Apache-2.0
// Whether two values agree.
#pragma once

#include <string>

#include "tensor/tensor.h"

namespace planish::dev {

struct Closeness {
  double relative = 1e-3;
  double absolute = 1e-7;
};

// Empty if they agree, else what differs first. Dtypes and dims must be the same; floating-point
// elements may differ by absolute + relative * |expected|, NaN equals NaN; everything else must be
// equal.
std::string difference(const Datum& expected, const Datum& got, const Closeness& closeness);

}  // namespace planish::dev
