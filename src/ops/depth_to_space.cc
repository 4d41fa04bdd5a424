// SPDX-License-Identifier: Apache-2.0
// DepthToSpace, SpaceToDepth: blocks of pixels moved between the channels and the plane.
#include "base/str.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

int64_t block_size(const InferContext& c) {
  const int64_t block = c.attributes().integer("blocksize");
  if (block < 1 || block > INT32_MAX)
    c.fail(concat("blocksize is ", block), ErrorCode::kInvalidModel);
  return block;
}

Dim divided(const InferContext& c, const Dim& dim, int64_t by, std::string_view what) {
  if (dim.is_constant() && dim.value() % by != 0)
    c.fail(concat("the ", what, " ", dim.value(), " is no multiple of ", by));
  return dim.floor_div(by);
}

void infer_depth_to_space(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_rank(c, 0, 4);
  const int64_t b = block_size(c);
  const std::string mode = c.attributes().text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    c.fail(concat("mode: expected DCR or CRD, got \"", mode, "\""), ErrorCode::kInvalidModel);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, fresh_shape(c, 4));
  const Shape& in = c.shape(0);
  set_tensor(c, 0, dtype,
             Shape{in[0], divided(c, in[1], b * b, "number of channels"), in[2] * b, in[3] * b});
}

void infer_space_to_depth(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_rank(c, 0, 4);
  const int64_t b = block_size(c);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, fresh_shape(c, 4));
  const Shape& in = c.shape(0);
  set_tensor(
      c, 0, dtype,
      Shape{in[0], in[1] * (b * b), divided(c, in[2], b, "height"), divided(c, in[3], b, "width")});
}

// The block of both ops: image, row of the plane, row in the block, column, column in the block,
// channel. `deep` is the tensor with many channels, `wide` the one with the large plane.
struct Blocks {
  Dims dims;
  View deep, wide;
};

Blocks blocks(const Dims& wide, int64_t b, bool block_first) {
  const int64_t channels = wide[1], rows = wide[2] / b, columns = wide[3] / b;
  const int64_t plane = rows * columns;
  const int64_t block = block_first ? channels * plane : plane;  // between places in a block
  const int64_t channel = block_first ? plane : plane * b * b;
  const Dims s = row_major_strides(wide);
  return {{wide[0], channels, rows, b, columns, b},
          {0, {channels * b * b * plane, channel, columns, block * b, 1, block}},
          {0, {s[0], s[1], s[2] * b, s[2], b, 1}}};
}

void run_depth_to_space(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const bool block_first = c.attributes().text("mode", "DCR") == "DCR";
  fill_spread(c.output(0), [&](Tensor& out) {
    const Blocks moved = blocks(out.dims(), c.attributes().integer("blocksize"), block_first);
    copy_view(out, moved.wide, in, moved.deep, moved.dims);
  });
}

void run_space_to_depth(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  fill_spread(c.output(0), [&](Tensor& out) {
    const Blocks moved = blocks(in.dims(), c.attributes().integer("blocksize"), true);
    copy_view(out, moved.deep, in, moved.wide, moved.dims);
  });
}

const RegisterOp kDepthToSpace(
    {.name = "DepthToSpace",
     .attributes = {required("blocksize", AttrKind::kInt), optional("mode", AttrKind::kString)},
     .infer = infer_depth_to_space,
     .run = run_depth_to_space,
     .source = "https://onnx.ai/onnx/operators/onnx__DepthToSpace.html"});
const RegisterOp kSpaceToDepth(
    {.name = "SpaceToDepth",
     .attributes = {required("blocksize", AttrKind::kInt)},
     .infer = infer_space_to_depth,
     .run = run_space_to_depth,
     .source = "https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html"});

}  // namespace
}  // namespace planish
