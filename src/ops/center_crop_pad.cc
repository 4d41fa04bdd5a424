// SPDX-License-Identifier: Apache-2.0
// CenterCropPad: the middle of the input, or the input in the middle of zeros.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

template <class Context>
std::vector<int> crop_axes(const Context& c, int rank) {
  std::vector<int64_t> all;
  for (int i = 0; i < rank; ++i) all.push_back(i);
  return normalize_axes(c, c.attributes().integers("axes", all), rank);
}

void infer_center_crop_pad(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_index_dtype, "int32 or int64");
  check_rank(c, 1, 1);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  const std::vector<int> axes = crop_axes(c, c.rank(0));
  const auto length = known_length(c, 1);
  if (length && *length != static_cast<int64_t>(axes.size()))
    c.fail(concat("expected ", axes.size(), " sizes, got ", *length));
  const auto sizes = c.contents(1);
  Shape out = c.shape(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto size = sizes ? (*sizes)[i] : std::nullopt;
    out[static_cast<size_t>(axes[i])] =
        size ? check_size(c, *size, concat("size ", i)) : c.fresh_dim();
  }
  set_tensor(c, 0, dtype, std::move(out));
}

void run_center_crop_pad(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const std::vector<int64_t> sizes = load<int64_t>(c.input(1));
  const std::vector<int> axes = crop_axes(c, in.rank());
  c.require(sizes.size() == axes.size(), "the sizes are not as many as the axes");
  Dims wish = in.dims();
  for (size_t i = 0; i < axes.size(); ++i) wish[static_cast<size_t>(axes[i])] = sizes[i];
  require_dims(c, c.output(0), wish);
  fill_spread(c.output(0), [&](Tensor& out) {
    fill_zero(out, 0, out.count());
    View from = row_major_view(in.dims()), to = row_major_view(out.dims());
    Dims dims = in.dims();
    for (size_t i = 0; i < dims.size(); ++i) {
      const int64_t have = in.dims()[i], want = out.dims()[i];
      dims[i] = std::min(have, want);
      if (have > want)
        from.offset += (have - want) / 2 * from.strides[i];
      else
        to.offset += (want - have) / 2 * to.strides[i];
    }
    copy_view(out, to, in, from, dims);
  });
}

const RegisterOp kCenterCropPad(
    {.name = "CenterCropPad",
     .attributes = {optional("axes", AttrKind::kInts)},
     .inputs = {2, 2},
     .infer = infer_center_crop_pad,
     .run = run_center_crop_pad,
     .source = "https://onnx.ai/onnx/operators/onnx__CenterCropPad.html"});

}  // namespace
}  // namespace planish
