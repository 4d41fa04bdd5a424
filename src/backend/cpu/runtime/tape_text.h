// SPDX-License-Identifier: Apache-2.0
// A pointwise tape as attributes of a plan's step, and back. Operations go by name, since the
// numbers of pointwise.def's rows change from version to version.
#pragma once

#include "backend/cpu/kernels/pointwise.h"
#include "tensor/attributes.h"

namespace planish::cpu {

void write_tape(const PointwiseTape& tape, Attributes& attributes);
// Throws kInvalidPlan if the attributes hold no well-formed tape.
PointwiseTape read_tape(const Attributes& attributes);

}  // namespace planish::cpu
