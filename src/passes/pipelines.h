// SPDX-License-Identifier: Apache-2.0
// What is done to a graph, in which order: read this to understand the product.
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// An imported graph becomes canonical. Types are inferred first, from nothing but the inputs.
void canonicalize(ir::Graph& graph, PassContext& context, const PipelineOptions& options = {});

// Every pass, for listings and for checking the names given to `disabled`.
std::vector<std::string> pass_names();

}  // namespace planish::passes
