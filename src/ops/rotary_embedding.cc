// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding: rotates pairs of elements of each head by angles of the position.
// https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/heads.h"

namespace planish {
namespace {

void infer_rotary_embedding(InferContext& c) {
  check_float(c, 0);
  check_same_dtype(c, 0, 3);
  if (c.has_input(3)) check_tensor(c, 3, is_i64, "int64");
  set_like(c, 0, 0);
  const int64_t heads = c.attributes().integer("num_heads", 0);
  const int64_t rotated = c.attributes().integer("rotary_embedding_dim", 0);
  if (heads < 0 || heads > INT32_MAX)
    c.fail(concat("num_heads: expected at least 1, got ", heads), ErrorCode::kInvalidModel);
  if (rotated < 0 || rotated % 2 != 0)
    c.fail(concat("rotary_embedding_dim: expected an even size, got ", rotated),
           ErrorCode::kInvalidModel);
  check_rank(c, 3, 2);
  const int cache_rank = c.has_input(3) ? 2 : 3;
  check_rank(c, 1, cache_rank);
  check_rank(c, 2, cache_rank);
  if (!c.has_rank(0)) return;
  if (c.rank(0) != 3 && c.rank(0) != 4)
    c.fail(concat("input 0: expected rank 3 or 4, got ", to_string(c.shape(0))));
  if (c.rank(0) == 3 && heads == 0)
    c.fail("an input of rank 3 needs num_heads", ErrorCode::kInvalidModel);
  const Shape x = head_dims(c, 0, heads == 0 ? 1 : heads);
  if (x[3].is_constant() && (x[3].value() < rotated || (rotated == 0 && x[3].value() % 2 != 0)))
    c.fail(concat("expected an even head size of at least ", rotated, ", got ", x[3].value()));
  const Dim half = (rotated == 0 ? x[3] : Dim(rotated)).floor_div(2);
  check_shape(c, 3, {x[0], x[2]});
  for (int i : {1, 2}) {
    if (!c.has_rank(i)) continue;
    check_shape(c, i, cache_rank == 2 ? Shape{c.shape(i)[0], half} : Shape{x[0], x[2], half});
  }
  if (c.has_rank(1) && cache_rank == 2) check_dim(c, 2, 0, c.shape(1)[0]);
}

// The row of the caches for each token.
std::vector<int64_t> cache_rows(const KernelContext& c, int64_t tokens) {
  std::vector<int64_t> rows(static_cast<size_t>(tokens));
  for (int64_t i = 0; i < tokens; ++i) rows[static_cast<size_t>(i)] = i;
  if (!c.has_input(3)) return rows;
  rows = load<int64_t>(c.input(3));
  const int64_t size = c.input(1).dim(0);
  for (int64_t& row : rows) {
    if (row < -size || row >= size)
      c.fail(concat("position_ids: ", row, " is outside of ", size, " positions"));
    if (row < 0) row += size;
  }
  return rows;
}

void run_rotary_embedding(KernelContext& c) {
  const Tensor& x = c.input(0);
  const HeadLayout layout(x.dims(), c.attributes().integer("num_heads", 1));
  const int64_t wanted = c.attributes().integer("rotary_embedding_dim", 0);
  const int64_t half = (wanted == 0 ? layout.size : wanted) / 2;
  const bool interleaved = c.attributes().integer("interleaved", 0) != 0;
  const std::vector<double> cosines = load<double>(c.input(1)), sines = load<double>(c.input(2));
  const std::vector<int64_t> rows = cache_rows(c, layout.batch * layout.length);
  std::vector<double> head(static_cast<size_t>(layout.size));
  for (int64_t b = 0; b < layout.batch; ++b)
    for (int64_t h = 0; h < layout.heads; ++h)
      for (int64_t s = 0; s < layout.length; ++s) {
        load<double>(x, layout.row(b, h, s), layout.size, head.data());
        const int64_t row = rows[static_cast<size_t>(b * layout.length + s)] * half;
        for (int64_t i = 0; i < half; ++i) {
          double& first = head[static_cast<size_t>(interleaved ? 2 * i : i)];
          double& second = head[static_cast<size_t>(interleaved ? 2 * i + 1 : i + half)];
          const double cosine = cosines[static_cast<size_t>(row + i)],
                       sine = sines[static_cast<size_t>(row + i)];
          const double real = cosine * first - sine * second;
          second = sine * first + cosine * second;
          first = real;
        }
        store<double>(c.output(0), layout.row(b, h, s), layout.size, head.data());
      }
}

const RegisterOp kRotaryEmbedding(
    {.name = "RotaryEmbedding",
     .attributes = {optional("interleaved", AttrKind::kInt), optional("num_heads", AttrKind::kInt),
                    optional("rotary_embedding_dim", AttrKind::kInt)},
     .inputs = {3, 4},
     .outputs = {1, 1},
     .infer = infer_rotary_embedding,
     .run = run_rotary_embedding,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html"});

}  // namespace
}  // namespace planish
