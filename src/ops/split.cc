// SPDX-License-Identifier: Apache-2.0
// Split: cuts a tensor along an axis into parts of given sizes, or into equal ones.
#include "ops/split.h"

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

// Sizes of the parts along an axis of `size`, where nothing lists them: equal, the last one
// smaller.
std::vector<Dim> equal_parts(InferContext& c, const Dim& size) {
  const int64_t parts = c.attributes().integer("num_outputs", c.output_count());
  if (parts != c.output_count())
    c.fail(concat("num_outputs is ", parts, ", the node has ", c.output_count(), " outputs"),
           ErrorCode::kInvalidModel);
  const Dim chunk = size.ceil_div(parts);
  std::vector<Dim> sizes(static_cast<size_t>(parts), chunk);
  sizes.back() = size - chunk * Dim(parts - 1);
  if (auto exact = Dim::exact_div(size, parts)) sizes.assign(sizes.size(), *exact);
  if (sizes.back().range().max < 0)
    c.fail(concat("a dimension of ", size.to_string(), " does not split into ", parts, " parts"));
  return sizes;
}

std::vector<Dim> listed_parts(InferContext& c, const Dim& size) {
  if (c.attributes().has("num_outputs"))
    c.fail("both num_outputs and the input split are given", ErrorCode::kInvalidModel);
  const auto count = known_length(c, 1);
  if (count && *count != c.output_count())
    c.fail(concat("split lists ", *count, " parts, the node has ", c.output_count(), " outputs"));
  const auto listed = c.contents(1);
  std::vector<Dim> sizes;
  Dim total(0);
  for (int i = 0; i < c.output_count(); ++i) {
    const auto known = listed ? (*listed)[static_cast<size_t>(i)] : std::optional<Dim>();
    sizes.push_back(known ? check_size(c, *known, concat("part ", i)) : c.fresh_dim());
    total = total + sizes.back();
  }
  if (listed && Dim::differs(total, size))
    c.fail(concat("the parts make ", total.to_string(), ", the dimension is ", size.to_string()));
  return sizes;
}

void split_contents(InferContext& c, const std::vector<Dim>& sizes) {
  const auto known = c.contents(0);
  if (!known) return;
  int64_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto size = sizes[i].constant();
    if (!size || *size > static_cast<int64_t>(known->size()) - at) return;
    c.set_contents(static_cast<int>(i), Contents(known->begin() + at, known->begin() + at + *size));
    at += *size;
  }
}

void infer_split(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  if (c.has_input(1)) {
    check_tensor(c, 1, is_i64, "int64");
    check_rank(c, 1, 1);
  }
  if (!c.has_rank(0)) {
    for (int i = 0; i < c.output_count(); ++i) set_tensor(c, i, dtype, std::nullopt);
    return;
  }
  const auto axis =
      static_cast<size_t>(c.normalize_axis(c.attributes().integer("axis", 0), c.rank(0)));
  const Dim& size = c.shape(0)[axis];
  const std::vector<Dim> sizes = c.has_input(1) ? listed_parts(c, size) : equal_parts(c, size);
  for (size_t i = 0; i < sizes.size(); ++i) {
    Shape out = c.shape(0);
    out[axis] = sizes[i];
    set_tensor(c, static_cast<int>(i), dtype, std::move(out));
  }
  if (c.rank(0) == 1) split_contents(c, sizes);
}

// Sizes of the parts, those of unwanted outputs included.
std::vector<int64_t> part_sizes(const KernelContext& c, int64_t size) {
  if (c.has_input(1)) return load<int64_t>(c.input(1));
  const int64_t parts = c.output_count(), chunk = (size + parts - 1) / parts;
  std::vector<int64_t> sizes(static_cast<size_t>(parts), chunk);
  sizes.back() = size - chunk * (parts - 1);
  return sizes;
}

void run_split(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const int axis = c.normalize_axis(c.attributes().integer("axis", 0), in.rank());
  const std::vector<int64_t> sizes = part_sizes(c, in.dim(axis));
  int64_t at = 0;
  for (int i = 0; i < c.output_count(); ++i) {
    const int64_t size = sizes[static_cast<size_t>(i)];
    if (size < 0 || size > in.dim(axis) - at)
      c.fail(concat("part ", i, " of size ", size, " at ", at, " is outside of axis ", axis,
                    " of size ", in.dim(axis)));
    if (c.wants_output(i)) {
      Dims dims = in.dims();
      dims[static_cast<size_t>(axis)] = size;
      require_dims(c, c.output(i), dims);
      fill_spread(c.output(i), [&](Tensor& out) { copy_part(out, in, axis, at); });
    }
    at += size;
  }
}

const RegisterOp kSplit({.name = "Split",
                         .attributes = {optional("axis", AttrKind::kInt),
                                        optional("num_outputs", AttrKind::kInt)},
                         .inputs = {1, 2},
                         .outputs = {1, kAnyNumber},
                         .infer = infer_split,
                         .run = run_split,
                         .source = "https://onnx.ai/onnx/operators/onnx__Split.html"});

}  // namespace
}  // namespace planish
