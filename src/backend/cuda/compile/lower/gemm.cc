// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/gemm_launch.h"
#include "backend/cuda/compile/root_output.h"

namespace planish::cuda {
namespace {

int64_t row_of(const Tensor& w) {
  const int64_t vector = 128 / dtype_bits(w.dtype());
  return (w.dim(0) + vector - 1) / vector * vector;
}

template <class T>
void transpose(const T* from, int64_t k, int64_t n, int64_t row, T* to) {
  constexpr int64_t kBlock = 32;  // keeps both sides in the cache
  for (int64_t n0 = 0; n0 < n; n0 += kBlock)
    for (int64_t k0 = 0; k0 < k; k0 += kBlock)
      for (int64_t i = n0; i < std::min(n, n0 + kBlock); ++i)
        for (int64_t j = k0; j < std::min(k, k0 + kBlock); ++j) to[i * row + j] = from[j * n + i];
}

// A constant [k, n] as [n, k], its rows padded with zeros to whole vectors: so that K is the
// contiguous axis.
Tensor transposed(const Tensor& w) {
  const int64_t k = w.dim(0), n = w.dim(1), row = row_of(w);
  Tensor out(w.dtype(), {n, row});
  std::memset(out.data(), 0, out.bytes());
  if (dtype_bits(w.dtype()) == 16)
    transpose(reinterpret_cast<const uint16_t*>(w.data()), k, n, row,
              reinterpret_cast<uint16_t*>(out.data()));
  else
    transpose(reinterpret_cast<const uint32_t*>(w.data()), k, n, row,
              reinterpret_cast<uint32_t*>(out.data()));
  return out;
}

// Strides of the batch dims, in at most two levels. False: there are more.
bool add_batches(StepBuilder& step, const Shape& out, const Shape& a, const Shape& b,
                 GemmWork& work) {
  const size_t batch = out.size() - 2;
  const auto batch_strides = [&](const Shape& operand) -> std::optional<std::vector<Dim>> {
    const Shape outer(operand.begin(), operand.end() - 2);
    const Shape wanted(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(batch));
    auto strides = step.broadcast(outer, wanted);
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
  StepBuilder step(lowering);
  TailShape tail{.shape = sc, .row = sc.size() - 2, .column = sc.size() - 1};
  if (sb.size() == 2) {
    // One matrix for all: the batches are rows.
    work.m = product(sc, 0, sc.size() - 1);
    tail.row = 0;
  } else {
    work.m = sc[sc.size() - 2];
    if (!add_batches(step, sc, sa, sb, work)) return std::nullopt;
  }
  work.a = step.input(outer_value(node, a));
  work.is_constant_b = b->is_constant();
  if (b->is_constant() && sb.size() == 2) {
    work.is_b_transposed = true;
    work.stride_b = row_of(b->constant());
    work.b = step.input(b->constant(), "transposed", [&] { return transposed(b->constant()); });
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
