// SPDX-License-Identifier: Apache-2.0
// Moving transposes towards the outputs, where they meet and cancel.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/pass.h"
#include "passes/rewrite.h"

namespace planish::passes {

// Transpose(Transpose(x)) is one Transpose; one that moves nothing but dims of size 1 is a Reshape.
bool merge_transposes(ir::Graph& graph, PassContext& context);
// f(Transpose(x)) = Transpose(f'(x)) for pointwise ops, reductions, normalisations, Concat, Split,
// Slice, Gather, Pad, Softmax, Resize and channel shuffles, f' being f with its axes renamed.
bool sink_transposes(ir::Graph& graph, PassContext& context);
// Float convolutions and poolings take their data with the channels last, between two transposes
// that the passes above cancel.
bool use_channels_last(ir::Graph& graph, PassContext& context);

using Perm = std::vector<int64_t>;  // output axis i is input axis perm[i]

// The permutation of a Transpose node whose input's rank is known; empty if it is not one.
Perm permutation(const ir::Node* node);
// f(x) = Transpose(fNhwc(Transpose(x))), planish.fNhwc having the channels last; x has the rank.
void put_channels_last(ir::Node& node, size_t rank, Patch& patch);

}  // namespace planish::passes
