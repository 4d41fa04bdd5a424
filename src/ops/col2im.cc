// SPDX-License-Identifier: Apache-2.0
// Col2Im: columns of blocks added up into an image; the reverse of what a convolution unfolds.
#include "base/checked.h"
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

bool is_addable(DType t) { return is_number(t) || is_complex(t); }

void infer_col2im(InferContext& c) {
  const DType dtype = check_tensor(c, 0, is_addable, "numbers");
  check_rank(c, 0, 3);
  for (int i = 1; i < 3; ++i) {
    check_tensor(c, i, is_i64, "int64");
    check_rank(c, i, 1);
  }
  const auto axes = known_length(c, 1) ? known_length(c, 1) : known_length(c, 2);
  if (!axes || *axes > 1024) return set_tensor(c, 0, dtype, std::nullopt);
  if (const auto blocks = known_length(c, 2); blocks && *blocks != *axes)
    c.fail(concat("image_shape has ", *axes, " sizes, block_shape ", *blocks));
  const auto image = c.contents(1);
  const auto block = c.integers(2);
  Shape out{c.has_rank(0) ? c.shape(0)[0] : c.fresh_dim(), c.fresh_dim()};
  if (c.has_rank(0) && block) {
    int64_t size = 1;
    for (int64_t b : *block) {
      if (b < 1) c.fail(concat("block_shape holds ", b), ErrorCode::kInvalidValue);
      size = checked_mul<int64_t>(size, b, "size of a block");
    }
    const Dim& columns = c.shape(0)[1];
    if (columns.is_constant() && columns.value() % size != 0)
      c.fail(concat("dimension 1 is ", columns.value(), ", no multiple of the block's ", size,
                    " elements"));
    out[1] = columns.floor_div(size);
  }
  for (int64_t i = 0; i < *axes; ++i) {
    const auto dim = image ? (*image)[static_cast<size_t>(i)] : std::nullopt;
    if (dim) check_size(c, *dim, concat("image size ", i));
    out.push_back(dim && dim->range().min >= 0 ? *dim : c.fresh_dim());
  }
  set_tensor(c, 0, dtype, std::move(out));
}

struct Unfolding {
  Dims image, block, counts;  // counts: blocks along each axis
  std::vector<int64_t> strides, pads, dilations;
};

Unfolding read_unfolding(const KernelContext& c) {
  Unfolding u;
  u.image = load<int64_t>(c.input(1));
  u.block = load<int64_t>(c.input(2));
  const size_t axes = u.image.size();
  auto listed = [&](const char* name, size_t count, int64_t fallback, int64_t least) {
    auto list = c.attributes().integers(name, std::vector<int64_t>(count, fallback));
    c.require(list.size() == count,
              concat(name, ": expected ", count, " entries, got ", list.size()));
    for (int64_t v : list)
      if (v < least || v > INT32_MAX) c.fail(concat(name, " holds ", v));
    return list;
  };
  u.strides = listed("strides", axes, 1, 1);
  u.dilations = listed("dilations", axes, 1, 1);
  u.pads = listed("pads", 2 * axes, 0, 0);
  c.require(u.block.size() == axes, "block_shape and image_shape differ in length");
  for (size_t i = 0; i < axes; ++i) {
    if (u.block[i] < 1 || u.block[i] > INT32_MAX || u.image[i] < 0)
      c.fail(concat("a block of ", u.block[i], " in an image of ", u.image[i]));
    const int64_t reach = checked_mul<int64_t>(u.dilations[i], u.block[i] - 1, "a block's reach");
    const int64_t room =
        checked_add<int64_t>(u.image[i], u.pads[i] + u.pads[axes + i], "a padded image") - reach -
        1;
    u.counts.push_back(room < 0 ? 0 : room / u.strides[i] + 1);
  }
  return u;
}

template <class T>
void fold_blocks(KernelContext& c, const Unfolding& u) {
  const Tensor& in = c.input(0);
  const std::vector<T> columns = load<T>(in);
  std::vector<T> image(static_cast<size_t>(c.output(0).count()), T{});
  const int64_t planes = element_count(std::span<const int64_t>(c.output(0).dims()).first(2));
  const int64_t plane = element_count(u.image);
  const Dims steps = row_major_strides(u.image);
  size_t from = 0;
  for (int64_t p = 0; p < planes; ++p) {
    for (Walk block(u.block, {}); !block.done(); block.next()) {
      for (Walk at(u.counts, {}); !at.done(); at.next(), ++from) {
        int64_t to = p * plane;
        bool inside = true;
        for (size_t i = 0; i < u.image.size(); ++i) {
          const int64_t place =
              at.index()[i] * u.strides[i] - u.pads[i] + block.index()[i] * u.dilations[i];
          inside = inside && place >= 0 && place < u.image[i];
          to += inside ? place * steps[i] : 0;
        }
        if (inside) image[static_cast<size_t>(to)] += columns[from];
      }
    }
  }
  store(c.output(0), image);
}

void run_col2im(KernelContext& c) {
  const Tensor& in = c.input(0);
  const Unfolding u = read_unfolding(c);
  const int64_t size = element_count(u.block), count = element_count(u.counts);
  if (in.dim(2) != count || in.dim(1) % size != 0)
    c.fail(concat("expected ", count, " columns of blocks of ", size, " elements, the input is ",
                  dims_to_string(in.dims())),
           ErrorCode::kInvalidShape);
  Dims dims{in.dim(0), in.dim(1) / size};
  dims.insert(dims.end(), u.image.begin(), u.image.end());
  require_dims(c, c.output(0), dims);
  // Integers are added as unsigned ones, which wrap.
  if (is_integer(in.dtype())) return fold_blocks<uint64_t>(c, u);
  return is_complex(in.dtype()) ? fold_blocks<std::complex<double>>(c, u)
                                : fold_blocks<double>(c, u);
}

const RegisterOp kCol2Im({.name = "Col2Im",
                          .attributes = {optional("dilations", AttrKind::kInts),
                                         optional("pads", AttrKind::kInts),
                                         optional("strides", AttrKind::kInts)},
                          .inputs = {3, 3},
                          .infer = infer_col2im,
                          .run = run_col2im,
                          .tolerance = {1e-5},
                          .source = "https://onnx.ai/onnx/operators/onnx__Col2Im.html"});

}  // namespace
}  // namespace planish
