// SPDX-License-Identifier: Apache-2.0
// NonMaxSuppression: of boxes that overlap too much, keeps the one with the best score.
// https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/checks.h"
#include "tensor/elements.h"

namespace planish {
namespace {

bool is_box_dtype(DType t) { return t == DType::kF32; }

void infer_non_max_suppression(InferContext& c) {
  for (int i : {0, 1, 3, 4})
    if (c.has_input(i)) check_tensor(c, i, is_box_dtype, "float32");
  if (c.has_input(2)) check_tensor(c, 2, is_i64, "int64");
  for (int i : {0, 1}) check_rank(c, i, 3);
  for (int i : {2, 3, 4}) check_single(c, i);
  check_dim(c, 0, 2, Dim(4));
  if (c.has_rank(0) && c.has_rank(1)) {
    check_dim(c, 1, 0, c.shape(0)[0]);
    check_dim(c, 1, 2, c.shape(0)[1]);
  }
  c.set_output(0, Type::tensor(DType::kI64, {c.fresh_dim(), Dim(3)}));
}

struct Box {
  float y1, x1, y2, x2;
  float area() const { return (x2 - x1) * (y2 - y1); }
};

std::vector<Box> read_boxes(const float* in, int64_t n, bool by_center) {
  std::vector<Box> out;
  for (int64_t i = 0; i < n; ++i, in += 4) {
    if (by_center) {
      const float half_width = in[2] / 2, half_height = in[3] / 2;
      out.push_back(
          {in[1] - half_height, in[0] - half_width, in[1] + half_height, in[0] + half_width});
    } else {
      out.push_back({std::min(in[0], in[2]), std::min(in[1], in[3]), std::max(in[0], in[2]),
                     std::max(in[1], in[3])});
    }
  }
  return out;
}

bool overlap_too_much(const Box& a, const Box& b, float threshold) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(width > 0) || !(height > 0)) return false;
  const float common = width * height, all = a.area() + b.area() - common;
  if (!(a.area() > 0) || !(b.area() > 0) || !(all > 0)) return false;
  return common / all > threshold;
}

void run_non_max_suppression(KernelContext& c) {
  const std::vector<float> boxes = load<float>(c.input(0)), scores = load<float>(c.input(1));
  const int64_t batches = c.input(0).dim(0), count = c.input(0).dim(1), classes = c.input(1).dim(1);
  const bool by_center = c.attributes().integer("center_point_box", 0) != 0;
  auto scalar = [&](int i, float fallback) {
    return c.has_input(i) && c.input(i).count() != 0 ? element<float>(c.input(i), 0) : fallback;
  };
  int64_t limit = 0;
  if (c.has_input(2) && c.input(2).count() != 0)
    limit = std::max<int64_t>(0, element<int64_t>(c.input(2), 0));
  const float overlap = scalar(3, 0), least = scalar(4, -HUGE_VALF);
  const bool has_least = c.has_input(4) && c.input(4).count() != 0;
  std::vector<int64_t> found;
  for (int64_t n = 0; n < batches && limit > 0; ++n) {
    const std::vector<Box> own = read_boxes(boxes.data() + n * count * 4, count, by_center);
    for (int64_t k = 0; k < classes; ++k) {
      const float* score = scores.data() + (n * classes + k) * count;
      std::vector<int64_t> order;
      for (int64_t i = 0; i < count; ++i)
        if (!std::isnan(score[i]) && (!has_least || score[i] > least)) order.push_back(i);
      std::stable_sort(order.begin(), order.end(),
                       [&](int64_t a, int64_t b) { return score[a] > score[b]; });
      std::vector<int64_t> kept;
      for (int64_t i : order) {
        if (static_cast<int64_t>(kept.size()) >= limit) break;
        c.budget().spend_work(static_cast<int64_t>(kept.size()) + 1, c.node());
        const bool is_best = std::none_of(kept.begin(), kept.end(), [&](int64_t other) {
          return overlap_too_much(own[static_cast<size_t>(i)], own[static_cast<size_t>(other)],
                                  overlap);
        });
        if (!is_best) continue;
        kept.push_back(i);
        found.insert(found.end(), {n, k, i});
      }
    }
  }
  store(c.allocate(0, DType::kI64, {static_cast<int64_t>(found.size()) / 3, 3}), found);
}

const RegisterOp kNonMaxSuppression(
    {.name = "NonMaxSuppression",
     .attributes = {optional("center_point_box", AttrKind::kInt)},
     .inputs = {2, 5},
     .outputs = {1, 1},
     .infer = infer_non_max_suppression,
     .run = run_non_max_suppression,
     .source = "https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html"});

}  // namespace
}  // namespace planish
