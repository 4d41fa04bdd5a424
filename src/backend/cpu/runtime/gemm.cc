// SPDX-License-Identifier: Apache-2.0
// cpu.gemm: MatMul of floats, with a tail.
//
// Inputs: A [..., m, k]; B [..., k, n], or packed (attributes packed = 1, k, n) by gemm_pack for
// the plan's instruction set; then what the epilogue uses. Output: [..., m, n].
#include "backend/cpu/kernels/gemm.h"

#include <algorithm>

#include "backend/cpu/runtime/step_epilogue.h"
#include "backend/cpu/runtime/step_isa.h"
#include "base/str.h"

namespace planish::cpu {
namespace {

struct GemmState final : StepState {
  Gemm gemm;
  std::unique_ptr<StepEpilogue::Bound> tail;
  // Matrices beyond the two batch dims that the kernel takes: offsets in floats.
  struct Offset {
    int64_t a, b, c;
  };
  std::vector<Offset> outer;
};

// One batch dim of the output with the strides of all three matrices, in floats.
struct BatchDim {
  int64_t count, a, b, c;
};

// Batch dims, the outermost first, neighbours merged where all three strides allow.
std::vector<BatchDim> batch_dims(const StepShapes& shapes, const KnownTensor& a,
                                 const KnownTensor& b, const KnownTensor& out) {
  const int batch = out.rank() - 2;
  auto dim = [&](const KnownTensor& t, int i) {
    const int at = t.rank() - out.rank() + i;
    return at < 0 ? int64_t{1} : t.dims[static_cast<size_t>(at)];
  };
  int64_t a_stride = a.dims[a.dims.size() - 1] * a.dims[a.dims.size() - 2];
  int64_t b_stride = b.dims[b.dims.size() - 1] * b.dims[b.dims.size() - 2];
  int64_t c_stride = out.dims[out.dims.size() - 1] * out.dims[out.dims.size() - 2];
  std::vector<BatchDim> dims;
  for (int i = batch - 1; i >= 0; --i) {
    const int64_t da = dim(a, i), db = dim(b, i), n = out.dims[static_cast<size_t>(i)];
    shapes.require((da == n || da == 1) && (db == n || db == 1), "the batch dims do not broadcast");
    const BatchDim next{n, da == 1 ? 0 : a_stride, db == 1 ? 0 : b_stride, c_stride};
    a_stride *= da;
    b_stride *= db;
    c_stride *= n;
    if (n == 1) continue;
    if (!dims.empty()) {
      BatchDim& inner = dims.back();
      if (next.a == inner.a * inner.count && next.b == inner.b * inner.count &&
          next.c == inner.c * inner.count) {
        inner.count *= n;
        continue;
      }
    }
    dims.push_back(next);
  }
  std::reverse(dims.begin(), dims.end());
  return dims;
}

class GemmStep final : public StepKernel {
 public:
  explicit GemmStep(const StepInfo& info) : isa_(step_isa(info)), epilogue_(info) {
    info.require(info.has_input(0) && info.has_input(1) && info.wants_output(0),
                 "expected two inputs, one output");
    packed_ = info.attributes().integer("packed", 0) != 0;
    if (!packed_) return;
    k_ = info.attributes().integer("k");
    n_ = info.attributes().integer("n");
    const Tensor* b = info.constant(1);
    info.require(k_ >= 0 && n_ >= 0 && k_ < (int64_t{1} << 40) && n_ < (int64_t{1} << 31),
                 "k or n is out of range");
    info.require(
        b != nullptr && b->dtype() == DType::kF32 && b->count() == gemm_packed_floats(isa_, k_, n_),
        "the packed weights have another size");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& a = shapes.input(0);
    const KnownTensor& b = shapes.input(1);
    const KnownTensor& out = shapes.output(0);
    shapes.require(a.dtype == DType::kF32 && b.dtype == DType::kF32 && out.dtype == DType::kF32 &&
                       a.rank() >= 2 && out.rank() >= 2 && out.rank() >= a.rank(),
                   "expected float32 matrices");
    auto state = std::make_unique<GemmState>();
    Gemm& g = state->gemm;
    g.k = a.dims.back();
    g.n = out.dims.back();
    g.a_row = g.k;
    g.c_row = g.n;
    g.b_packed = packed_;
    if (packed_) {
      shapes.require(g.k == k_ && g.n == n_ && a.rank() == out.rank() &&
                         std::equal(a.dims.begin(), a.dims.end() - 1, out.dims.begin()),
                     "the matrices do not fit each other");
      g.m = g.n == 0 ? 0 : out.count() / g.n;
    } else {
      bind_batches(shapes, a, b, out, *state);
    }
    state->tail = epilogue_.bind(shapes);
    state->tail->set_rows_per_batch(g.m);
    StepBinding binding;
    binding.scratch_bytes = static_cast<size_t>(gemm_scratch_bytes(isa_, g, shapes.threads()));
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    auto& state = static_cast<GemmState&>(*c.state());
    Gemm g = state.gemm;
    if (g.m == 0 || g.n == 0) return;
    g.a = c.input(0).as<float>();
    g.b = c.input(1).as<float>();
    g.c = c.output(0).as<float>();
    g.epilogue = epilogue_.at(c, *state.tail);
    if (state.outer.empty()) return gemm(isa_, g, c.scratch().data(), c.pool());
    for (const GemmState::Offset& o : state.outer) {
      Gemm part = g;
      part.a += o.a;
      part.b += o.b;
      part.c += o.c;
      if (part.epilogue.residual != nullptr) part.epilogue.residual += o.c;
      gemm(isa_, part, c.scratch().data(), c.pool());
    }
  }

 private:
  void bind_batches(const StepShapes& shapes, const KnownTensor& a, const KnownTensor& b,
                    const KnownTensor& out, GemmState& state) const {
    Gemm& g = state.gemm;
    shapes.require(b.rank() >= 2 && b.rank() <= out.rank(), "expected float32 matrices");
    g.m = out.dims[out.dims.size() - 2];
    shapes.require(b.dims.back() == g.n && b.dims[b.dims.size() - 2] == g.k &&
                       a.dims[a.dims.size() - 2] == g.m,
                   "the matrices do not fit each other");
    g.b_row = g.n;
    std::vector<BatchDim> dims = batch_dims(shapes, a, b, out);
    // One matrix B for all: the batches are rows of A.
    if (dims.size() == 1 && dims[0].b == 0 && dims[0].a == g.m * g.k) {
      g.m *= dims[0].count;
      dims.clear();
    }
    const size_t inner = std::min<size_t>(2, dims.size());
    for (size_t i = 0; i < inner; ++i) {
      const BatchDim& d = dims[dims.size() - inner + i];
      const size_t slot = 2 - inner + i;
      g.batch[slot] = d.count;
      g.a_batch[slot] = d.a;
      g.b_batch[slot] = d.b;
      g.c_batch[slot] = g.residual_batch[slot] = d.c;
    }
    if (dims.size() > 2) {
      state.outer.push_back({0, 0, 0});
      for (size_t i = 0; i + 2 < dims.size(); ++i) {
        std::vector<GemmState::Offset> next;
        for (const auto& o : state.outer)
          for (int64_t j = 0; j < dims[i].count; ++j)
            next.push_back({o.a + j * dims[i].a, o.b + j * dims[i].b, o.c + j * dims[i].c});
        state.outer = std::move(next);
      }
    }
  }

  Isa isa_;
  StepEpilogue epilogue_;
  bool packed_ = false;
  int64_t k_ = 0;
  int64_t n_ = 0;
};

const RegisterStepKernel kGemm("cpu.gemm", make_step_kernel<GemmStep>);

}  // namespace
}  // namespace planish::cpu
