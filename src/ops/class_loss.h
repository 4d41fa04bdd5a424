// SPDX-License-Identifier: Apache-2.0
// What the losses over classes (NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss) share.
#pragma once

#include <vector>

#include "ops/op.h"

namespace planish {

// Checks input [N, C, ...], labels [N, ...], optional weights [C] and attribute reduction; sets the
// type of output 0.
void infer_class_loss(InferContext& c);
// Writes output 0 from the logarithms of probabilities, laid out as input 0.
void run_class_loss(KernelContext& c, const std::vector<double>& log_probabilities);

}  // namespace planish
