// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/cpu/kernels/pointwise.h"

namespace planish::cpu {

// The same tape without conversions between the domains that change nothing: integers of few bits
// that only floats are made of are read as floats, floats that are cut to integers only to be
// stored are stored as they are, and truth values go from floats to floats directly.
PointwiseTape without_round_trips(PointwiseTape tape);

}  // namespace planish::cpu
