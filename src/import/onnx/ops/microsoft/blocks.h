// SPDX-License-Identifier: Apache-2.0
// Pieces that several importers of com.microsoft ops are built from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "import/onnx/op_importer.h"

namespace planish::onnx {

inline constexpr char kMicrosoft[] = "com.microsoft";

// The size of one axis, as int64[1].
ir::Value* size_of(NodeContext& c, ir::Value* x, int64_t axis);
ir::Value* slice(NodeContext& c, ir::Value* x, int64_t begin, int64_t end, int64_t axis);
// Consecutive parts of an axis, of these sizes.
std::vector<ir::Value*> split(NodeContext& c, ir::Value* x, const std::vector<int64_t>& sizes,
                              int64_t axis);
ir::Value* transpose(NodeContext& c, ir::Value* x, const std::vector<int64_t>& perm);
ir::Value* cast(NodeContext& c, ir::Value* x, DType type);
// 0, 1, ... below `size`, which is int64[1].
ir::Value* positions(NodeContext& c, ir::Value* size);

// What FusedConv and FusedGemm apply to their result. Throws kUnsupported for names it does not
// know.
ir::Value* activate(NodeContext& c, ir::Value* x, const std::string& name,
                    const std::vector<double>& parameters);

// A boolean mask that broadcasts to [batch, heads, queries, keys], from a padding mask: lengths
// [batch], ones and zeros [batch, keys], or ones and zeros [batch, queries, keys]. `keys` is
// int64[1].
ir::Value* attention_mask(NodeContext& c, ir::Value* padding, ir::Value* keys);
// The mask and a bias of the same extent as one mask; either may be null.
ir::Value* merge_mask(NodeContext& c, ir::Value* mask, ir::Value* bias);

// Refuses attributes that change the meaning, unless they have their plain value.
void refuse_unless(NodeContext& c, const char* attribute, int64_t plain);
void refuse_input(NodeContext& c, int i, const char* what);

}  // namespace planish::onnx
