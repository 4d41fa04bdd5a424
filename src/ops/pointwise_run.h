// SPDX-License-Identifier: Apache-2.0
// The portable kernels of pointwise.def and of Mean.
#pragma once

#include "ops/op.h"
#include "ops/pointwise_rows.h"

namespace planish {

void run_pointwise_reference(KernelContext& c);
void run_mean_reference(KernelContext& c);

// The attributes of a row as the numbers that its expression reads, defaults filled in.
void read_pointwise_attributes(const PointwiseRow& row, const Attributes& attributes,
                               float (&numbers)[kMaxPointwiseAttributes]);

}  // namespace planish
