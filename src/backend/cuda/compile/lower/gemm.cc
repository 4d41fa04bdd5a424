// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/gemm_launch.h"
#include "backend/cuda/compile/root_output.h"

namespace planish::cuda {
namespace {

// A constant [k, n] with rows that begin at whole vectors.
Tensor with_padded_rows(const Tensor& w) {
  const auto bytes = static_cast<size_t>(dtype_bits(w.dtype()) / 8);
  const int64_t vector = 16 / static_cast<int64_t>(bytes);
  const int64_t stride = (w.dim(1) + vector - 1) / vector * vector;
  if (stride == w.dim(1)) return w;
  Tensor out(w.dtype(), {w.dim(0), stride});
  std::memset(out.data(), 0, out.bytes());
  const size_t row = static_cast<size_t>(w.dim(1)) * bytes;
  for (int64_t k = 0; k < w.dim(0); ++k)
    std::memcpy(out.data() + static_cast<size_t>(k * stride) * bytes,
                w.data() + static_cast<size_t>(k) * row, row);
  return out;
}

// Strides of the batch dims, in at most two levels. False: there are more.
bool add_batches(const Shape& out, const Shape& a, const Shape& b, GemmWork& work) {
  const size_t batch = out.size() - 2;
  const auto batch_strides = [&](const Shape& operand) -> std::optional<std::vector<Dim>> {
    const Shape outer(operand.begin(), operand.end() - 2);
    const Shape wanted(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(batch));
    auto strides = broadcast_strides(outer, wanted);
    const Dim matrix = operand[operand.size() - 1] * operand[operand.size() - 2];
    if (strides)
      for (Dim& s : *strides) s = s * matrix;
    return strides;
  };
  const auto sa = batch_strides(a), sb = batch_strides(b), sc = batch_strides(out);
  if (!sa || !sb || !sc) return false;
  const Shape dims(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(batch));
  const Axes axes = merge_axes(dims, {*sa, *sb, *sc});
  if (axes.dims.size() > 2) return false;
  work.batches = product(dims);
  const size_t levels = axes.dims.size();
  for (size_t level = 0; level < levels; ++level) {
    const size_t slot = 2 - levels + level;
    work.batch_a[slot] = axes.strides[0][level];
    work.batch_b[slot] = axes.strides[1][level];
    work.batch_c[slot] = axes.strides[2][level];
  }
  work.batch_inner = levels == 0 ? Dim(1) : axes.dims.back();
  return true;
}

std::optional<ref::StepChoice> lower_mat_mul(const ir::Node& node, Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* a = root.input(0);
  const ir::Value* b = outer_value(node, root.input(1));
  if (!is_real(a) || !is_real(b) || a->type().dtype != b->type().dtype) return std::nullopt;
  const Shape& sa = shape_of(a);
  const Shape& sb = shape_of(b);
  const Shape& sc = shape_of(root.output());
  if (sa.size() < 2 || sb.size() < 2) return std::nullopt;
  GemmWork work{.type = a->type().dtype};
  work.k = sa.back();
  work.n = sc.back();
  work.stride_a = work.k;
  work.stride_c = work.n;
  work.stride_b = sb.back();
  TailShape tail{.shape = sc, .row = sc.size() - 2, .column = sc.size() - 1};
  if (sb.size() == 2) {
    // One matrix for all: the batches are rows.
    work.m = product(sc, 0, sc.size() - 1);
    tail.row = 0;
  } else {
    work.m = sc[sc.size() - 2];
    if (!add_batches(sc, sa, sb, work)) return std::nullopt;
  }
  StepBuilder step(lowering);
  work.a = step.input(outer_value(node, a));
  work.is_constant_b = b->is_constant();
  if (b->is_constant() && sb.size() == 2) {
    Tensor w = with_padded_rows(b->constant());
    work.stride_b = w.dim(1);
    work.b = w.dims() == b->constant().dims() ? step.input(b) : step.input(std::move(w));
  } else {
    work.b = step.input(b);
  }
  const RootOutput output(node, nullptr, tail, step);
  const std::string tactic = add_gemm(step, work, output, lowering);
  if (tactic.empty() || !output.finish(step)) return std::nullopt;
  return step.finish(tactic);
}

const RegisterLowering kMatMul("MatMul", lower_mat_mul);

}  // namespace
}  // namespace planish::cuda
