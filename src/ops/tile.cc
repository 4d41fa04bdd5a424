// SPDX-License-Identifier: Apache-2.0
// Tile: the input repeated along every axis.
#include "base/checked.h"
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_tile(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  check_rank(c, 1, 1);
  const auto length = known_length(c, 1);
  if (!c.has_rank(0))
    return set_tensor(c, 0, dtype,
                      length && *length <= 1024
                          ? std::optional(fresh_shape(c, static_cast<size_t>(*length)))
                          : std::nullopt);
  Shape out = c.shape(0);
  if (length && *length != c.rank(0))
    c.fail(
        concat("expected ", c.rank(0), " repeats for ", c.input(0).to_string(), ", got ", *length));
  const auto repeats = c.contents(1);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto repeat = repeats && i < repeats->size() ? (*repeats)[i] : std::nullopt;
    out[i] = repeat ? out[i] * check_size(c, *repeat, concat("repeat ", i)) : c.fresh_dim();
  }
  set_tensor(c, 0, dtype, std::move(out));
}

void run_tile(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const std::vector<int64_t> repeats = load<int64_t>(c.input(1));
  c.require(static_cast<int>(repeats.size()) == in.rank(),
            "the repeats are not as many as the dimensions");
  const Dims strides = row_major_strides(in.dims());
  View from;
  Dims dims, tiled;
  for (size_t i = 0; i < repeats.size(); ++i) {
    tiled.push_back(checked_mul<int64_t>(in.dims()[i], repeats[i], "a tiled dimension"));
    dims.insert(dims.end(), {repeats[i], in.dims()[i]});
    from.strides.insert(from.strides.end(), {0, strides[i]});
  }
  require_dims(c, c.output(0), tiled);
  fill_spread(c.output(0),
              [&](Tensor& out) { copy_view(out, row_major_view(dims), in, from, dims); });
}

const RegisterOp kTile({.name = "Tile",
                        .inputs = {2, 2},
                        .infer = infer_tile,
                        .run = run_tile,
                        .source = "https://onnx.ai/onnx/operators/onnx__Tile.html"});

}  // namespace
}  // namespace planish
