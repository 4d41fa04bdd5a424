// SPDX-License-Identifier: Apache-2.0
// Pad: elements added before and after each axis (or removed, where a pad is negative).
#include <algorithm>

#include "base/checked.h"
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

enum class PadMode { kConstant, kReflect, kEdge, kWrap };

template <class Context>
PadMode pad_mode(const Context& c) {
  const std::string mode = c.attributes().text("mode", "constant");
  if (mode == "constant") return PadMode::kConstant;
  if (mode == "reflect") return PadMode::kReflect;
  if (mode == "edge") return PadMode::kEdge;
  if (mode == "wrap") return PadMode::kWrap;
  c.fail(concat("mode: expected constant, reflect, edge or wrap, got \"", mode, "\""),
         ErrorCode::kInvalidModel);
}

void infer_pad(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  pad_mode(c);
  check_tensor(c, 1, is_i64, "int64");
  check_rank(c, 1, 1);
  if (c.has_input(2)) {
    check_single(c, 2);
    if (dtype != DType::kUndefined && c.dtype(2) != DType::kUndefined && c.dtype(2) != dtype)
      c.fail(
          concat("constant_value: expected ", dtype_name(dtype), ", got ", dtype_name(c.dtype(2))),
          ErrorCode::kInvalidType);
  }
  if (c.has_input(3)) check_tensor(c, 3, is_index_dtype, "int32 or int64");
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  std::vector<int64_t> wish;
  for (int i = 0; i < c.rank(0); ++i) wish.push_back(i);
  if (c.has_input(3)) {
    const auto given = c.integers(3);
    if (!given) return set_tensor(c, 0, dtype, fresh_shape(c, wish.size()));
    wish = *given;
  }
  const std::vector<int> axes = normalize_axes(c, wish, c.rank(0));
  const auto length = known_length(c, 1);
  if (length && *length != static_cast<int64_t>(2 * axes.size()))
    c.fail(concat("expected ", 2 * axes.size(), " pads for ", axes.size(), " axes, got ", *length));
  const auto pads = c.contents(1);
  Shape out = c.shape(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto before = pads ? (*pads)[i] : std::nullopt;
    const auto after = pads ? (*pads)[axes.size() + i] : std::nullopt;
    Dim& dim = out[static_cast<size_t>(axes[i])];
    dim = before && after
              ? check_size(c, dim + *before + *after, concat("padded dimension ", axes[i]))
              : c.fresh_dim();
  }
  set_tensor(c, 0, dtype, std::move(out));
}

struct Pads {
  Dims before, after;  // per axis of the input
};

Pads read_pads(const KernelContext& c) {
  const Tensor& in = c.input(0);
  std::vector<int64_t> wish;
  for (int i = 0; i < in.rank(); ++i) wish.push_back(i);
  if (c.has_input(3)) wish = load<int64_t>(c.input(3));
  const std::vector<int> axes = normalize_axes(c, wish, in.rank());
  const std::vector<int64_t> pads = load<int64_t>(c.input(1));
  c.require(pads.size() == 2 * axes.size(), "the pads are not two for each axis");
  Pads out{Dims(in.dims().size(), 0), Dims(in.dims().size(), 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    out.before[static_cast<size_t>(axes[i])] = pads[i];
    out.after[static_cast<size_t>(axes[i])] = pads[axes.size() + i];
  }
  return out;
}

void pad_with_constant(KernelContext& c, const Tensor& in, const Pads& pads, Tensor& out) {
  if (c.has_input(2))
    fill_run(out, 0, out.count(), spread(c.input(2)), 0);
  else
    fill_zero(out);
  View from = row_major_view(in.dims()), to = row_major_view(out.dims());
  Dims dims = in.dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t crop_before = std::max<int64_t>(0, -pads.before[i]);
    const int64_t crop_after = std::max<int64_t>(0, -pads.after[i]);
    dims[i] = std::max<int64_t>(0, dims[i] - crop_before - crop_after);
    from.offset += crop_before * from.strides[i];
    to.offset += std::max<int64_t>(0, pads.before[i]) * to.strides[i];
  }
  copy_view(out, to, in, from, dims);
}

// The element of an axis of `size` that place `at` (from the axis' start) shows.
int64_t source_place(PadMode mode, int64_t at, int64_t size) {
  const auto positive_mod = [](int64_t a, int64_t b) { return (a % b + b) % b; };
  if (mode == PadMode::kEdge) return std::clamp<int64_t>(at, 0, size - 1);
  if (mode == PadMode::kWrap) return positive_mod(at, size);
  if (size == 1) return 0;
  const int64_t place = positive_mod(at, 2 * (size - 1));
  return place < size ? place : 2 * (size - 1) - place;
}

void pad_from_input(KernelContext& c, PadMode mode, const Tensor& in, const Pads& pads,
                    Tensor& out) {
  if (out.count() == 0) return;
  const Dims strides = row_major_strides(in.dims());
  std::vector<std::vector<int64_t>> offsets(out.dims().size());
  for (size_t i = 0; i < offsets.size(); ++i) {
    c.require(in.dims()[i] > 0, concat("axis ", i, " is empty: there is nothing to pad with"));
    for (int64_t k = 0; k < out.dims()[i]; ++k)
      offsets[i].push_back(source_place(mode, k - pads.before[i], in.dims()[i]) * strides[i]);
  }
  int64_t at = 0;
  for (Walk walk(out.dims(), {}); !walk.done(); walk.next(), ++at) {
    int64_t from = 0;
    for (size_t i = 0; i < offsets.size(); ++i)
      from += offsets[i][static_cast<size_t>(walk.index()[i])];
    copy_run(out, at, in, from, 1);
  }
}

void run_pad(KernelContext& c) {
  const PadMode mode = pad_mode(c);
  const Tensor in = spread(c.input(0));
  const Pads pads = read_pads(c);
  Dims dims = in.dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    dims[i] = checked_add<int64_t>(dims[i], pads.before[i], "a padded dimension");
    dims[i] = checked_add<int64_t>(dims[i], pads.after[i], "a padded dimension");
  }
  require_dims(c, c.output(0), dims);
  fill_spread(c.output(0), [&](Tensor& out) {
    if (mode == PadMode::kConstant)
      pad_with_constant(c, in, pads, out);
    else
      pad_from_input(c, mode, in, pads, out);
  });
}

const RegisterOp kPad({.name = "Pad",
                       .attributes = {optional("mode", AttrKind::kString)},
                       .inputs = {2, 4},
                       .infer = infer_pad,
                       .run = run_pad,
                       .source = "https://onnx.ai/onnx/operators/onnx__Pad.html"});

}  // namespace
}  // namespace planish
