// SPDX-License-Identifier: Apache-2.0
// Moving transposes towards the outputs, where they meet and cancel.
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// Transpose(Transpose(x)) is one Transpose; one that moves nothing but dims of size 1 is a Reshape.
bool merge_transposes(ir::Graph& graph, PassContext& context);
// f(Transpose(x)) = Transpose(f'(x)) for pointwise ops, reductions, normalisations, Concat, Split,
// Slice, Gather, Pad, Softmax, Resize and channel shuffles, f' being f with its axes renamed.
bool sink_transposes(ir::Graph& graph, PassContext& context);
// Float convolutions and poolings take their data with the channels last, between two transposes
// that the passes above cancel.
bool use_channels_last(ir::Graph& graph, PassContext& context);

}  // namespace planish::passes
