// SPDX-License-Identifier: Apache-2.0
// onednn.matmul: a product with constant weights, and a tail.
//
// Inputs: A [..., m, k]; weights [k, n], a constant; then what the epilogue uses. Output:
// [..., m, n]. The rows are split over the threads, or, if they are few, the columns.
#include <algorithm>
#include <optional>

#include "backend/cpu/kernels/partition.h"
#include "backend/cpu/onednn/dnnl_support.h"
#include "backend/cpu/onednn/finish.h"
#include "backend/cpu/onednn/steps.h"
#include "backend/cpu/runtime/step_epilogue.h"
#include "backend/cpu/runtime/step_isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu::onednn {
namespace {

using dnnl::memory;

constexpr int64_t kLeastRows = 16;            // of a part, that it repays its call
constexpr int64_t kColumnUnit = 64;           // columns are split at multiples
constexpr int64_t kFinishFloats = 64 * 1024;  // a part that is looked at again

struct Part {
  int64_t row, rows, col, cols;
};

struct MatmulState final : StepState {
  CallSet<Part> parts;
  std::unique_ptr<StepEpilogue::Bound> tail;
};

class MatmulStep final : public StepKernel {
 public:
  explicit MatmulStep(const StepInfo& info) : isa_(step_isa(info)), epilogue_(info) {
    const Tensor* w = info.constant(1);
    info.require(info.has_input(0) && info.wants_output(0), "expected data and an output");
    info.require(w != nullptr && w->dtype() == DType::kF32 && w->rank() == 2 && w->count() > 0,
                 "expected constant float32 weights of rank 2");
    k_ = w->dim(0);
    n_ = w->dim(1);
    weights_.emplace(*w);
    has_bias_ = info.attributes().integer("bias", -1) >= 0;
    finishes_ = info.attributes().integer("residual", -1) >= 0 ||
                info.attributes().has("activation") || info.attributes().has("tape_ops");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& a = shapes.input(0);
    const KnownTensor& out = shapes.output(0);
    shapes.require(a.dtype == DType::kF32 && out.dtype == DType::kF32 && a.rank() >= 1 &&
                       a.rank() == out.rank() && a.dims.back() == k_ && out.dims.back() == n_ &&
                       std::equal(a.dims.begin(), a.dims.end() - 1, out.dims.begin()),
                   "the matrices do not fit each other");
    auto state = std::make_unique<MatmulState>();
    state->tail = epilogue_.bind(shapes);
    const int64_t m = out.count() / n_;
    StepBinding binding;
    if (m > 0)
      guarded([&] {
        split(m, shapes, *state);
        return 0;
      });
    binding.scratch_bytes = state->parts.scratch_bytes() * static_cast<size_t>(shapes.threads());
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& context) const override {
    auto& state = static_cast<MatmulState&>(*context.state());
    if (state.parts.size() == 0) return;
    const Epilogue e = epilogue_.at(context, *state.tail);
    const auto* a = context.input(0).as<float>();
    auto* c = context.output(0).as<float>();
    std::byte* scratch = context.scratch().data();
    context.pool().parallel_for(state.parts.size(), [&](int64_t i, int slot) {
      const Part& p = state.parts.part(i);
      const float* from = a + p.row * k_;
      float* to = c + p.row * n_ + p.col;
      guarded([&] {
        if (has_bias_)
          state.parts.run(
              i, slot, {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}, {DNNL_ARG_BIAS, e.bias + p.col}},
              scratch);
        else
          state.parts.run(i, slot, {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}}, scratch);
        return 0;
      });
      if (needs_finish(e)) finish(isa_, e, to, n_, p.row, p.rows, p.col, p.cols);
    });
  }

 private:
  // Rows in parts of one size and a rest, or columns if there are fewer rows than that is worth.
  void split(int64_t m, const StepShapes& shapes, MatmulState& state) const {
    const int threads = shapes.threads();
    const double work = static_cast<double>(m) * static_cast<double>(k_) * static_cast<double>(n_);
    const int64_t wanted = wanted_tasks(work, threads);
    const bool by_columns = m < kLeastRows * std::min<int64_t>(wanted, threads);
    int64_t rows = m, cols = n_;
    if (by_columns) {
      const int64_t parts = std::min<int64_t>(wanted, threads);
      cols = std::min(n_, round_up(divide_up(n_, parts), kColumnUnit));
    } else {
      rows = std::max(kLeastRows, divide_up(m, wanted));
      if (finishes_) rows = std::min(rows, std::max(kLeastRows, kFinishFloats / n_));
    }
    for (int64_t row = 0; row < m; row += rows)
      for (int64_t col = 0; col < n_; col += cols)
        add_part({row, std::min(rows, m - row), col, std::min(cols, n_ - col)}, shapes, state);
  }

  void add_part(const Part& part, const StepShapes& shapes, MatmulState& state) const {
    require_counted(shapes, {part.rows * k_, part.rows * n_, k_ * n_});
    state.parts.add(
        part,
        [](const Part& a, const Part& b) {
          return a.rows == b.rows && a.col == b.col && a.cols == b.cols;
        },
        [&](const Part& p) { return make_call(p, shapes.threads()); });
  }

  Call make_call(const Part& p, int threads) const {
    constexpr auto kF32 = memory::data_type::f32;
    const memory::desc src({p.rows, k_}, kF32, memory::dims{k_, 1});
    const memory::desc any({k_, p.cols}, kF32, memory::format_tag::any);
    const memory::desc dst({p.rows, p.cols}, kF32, memory::dims{n_, 1});
    const memory::desc bias({1, p.cols}, kF32, memory::dims{p.cols, 1});
    const dnnl::primitive_attr attributes = plain_attributes();
    const dnnl::matmul::primitive_desc desc =
        has_bias_ ? dnnl::matmul::primitive_desc(cpu_engine(), src, any, bias, dst, attributes)
                  : dnnl::matmul::primitive_desc(cpu_engine(), src, any, dst, attributes);
    const memory::desc plain({k_, p.cols}, kF32, memory::dims{n_, 1});
    std::vector<std::pair<int, memory::desc>> moving = {{DNNL_ARG_SRC, src}, {DNNL_ARG_DST, dst}};
    if (has_bias_) moving.emplace_back(DNNL_ARG_BIAS, bias);
    return {dnnl::matmul(desc),
            moving,
            {{DNNL_ARG_WEIGHTS, weights_->get(plain, p.col, desc.weights_desc())}},
            desc.scratchpad_desc(),
            threads};
  }

  Isa isa_;
  StepEpilogue epilogue_;
  int64_t k_ = 0, n_ = 0;
  std::optional<PackedWeights> weights_;
  bool has_bias_ = false;
  bool finishes_ = false;
};

}  // namespace

std::unique_ptr<StepKernel> make_matmul(const StepInfo& info) {
  return std::make_unique<MatmulStep>(info);
}

}  // namespace planish::cpu::onednn
