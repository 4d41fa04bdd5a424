// SPDX-License-Identifier: Apache-2.0
// onednn.pool: the mean of windows, channels last, in one or two dimensions. Attributes as those of
// cpu.pool. There is no largest element here: oneDNN's turns NaN into the least float.
#include <algorithm>
#include <functional>
#include <string>

#include "backend/cpu/kernels/bands.h"
#include "backend/cpu/kernels/partition.h"
#include "backend/cpu/onednn/dnnl_support.h"
#include "backend/cpu/onednn/steps.h"
#include "runtime/thread_pool.h"
#include "runtime/window_check.h"

namespace planish::cpu::onednn {
namespace {

using dnnl::memory;

struct PoolState final : StepState {
  BandAxis rows, columns;
  int64_t batch = 0, channels = 0;
  CallSet<Band> bands;       // of one image
  size_t scratch_bytes = 0;  // of one thread
};

class PoolStep final : public StepKernel {
 public:
  explicit PoolStep(const StepInfo& info) {
    const Attributes& a = info.attributes();
    info.require(info.has_input(0) && info.wants_output(0), "expected an input and an output");
    info.require(a.text("op") == "AveragePool", "expected an AveragePool");
    kernel_ = a.integers("kernel_shape");
    const size_t n = kernel_.size();
    info.require(n == 1 || n == 2, "expected one or two spatial dims");
    strides_ = a.integers("strides", std::vector<int64_t>(n, 1));
    pads_ = a.integers("pads", std::vector<int64_t>(2 * n, 0));
    info.require(strides_.size() == n && pads_.size() == 2 * n, "attributes differ in length");
    constexpr int64_t kLimit = int64_t{1} << 31;
    for (size_t i = 0; i < n; ++i) {
      info.require(
          kernel_[i] >= 1 && kernel_[i] < kLimit && strides_[i] >= 1 && strides_[i] < kLimit,
          "the geometry is out of range");
      info.require(
          pads_[i] >= 0 && pads_[i] < kernel_[i] && pads_[n + i] >= 0 && pads_[n + i] < kernel_[i],
          "a pad is out of range");
    }
    counts_pads_ = a.integer("count_include_pad", 0) != 0;
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    const size_t n = kernel_.size();
    shapes.require(x.dtype == DType::kF32 && y.dtype == DType::kF32 && x.dims.size() == n + 2 &&
                       y.dims.size() == n + 2 && x.dims[0] == y.dims[0] &&
                       x.dims.back() == y.dims.back(),
                   "expected channels-last float32 data");
    auto state = std::make_unique<PoolState>();
    state->batch = x.dims[0];
    state->channels = x.dims.back();
    for (size_t i = 0; i < n; ++i) {
      BandAxis& axis = i + 1 == n ? state->columns : state->rows;
      axis = {.in = x.dims[1 + i],
              .out = y.dims[1 + i],
              .kernel = kernel_[i],
              .stride = strides_[i],
              .pad = pads_[i]};
      const int64_t room = axis.in + pads_[i] + pads_[n + i] - axis.kernel;
      require_window(shapes, i, axis.in, axis.kernel, room + axis.kernel);
      shapes.require(y.count() == 0 || (room >= 0 && axis.out == room / axis.stride + 1),
                     "the output has another size than the windows");
    }
    StepBinding binding;
    if (x.count() != 0 && y.count() != 0)
      guarded([&] {
        split(shapes, *state);
        return 0;
      });
    binding.scratch_bytes = state->bands.scratch_bytes() * static_cast<size_t>(shapes.threads());
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& context) const override {
    auto& state = static_cast<PoolState&>(*context.state());
    const int64_t bands = state.bands.size();
    const auto* x = context.input(0).as<float>();
    auto* y = context.output(0).as<float>();
    // Windows of padding alone.
    if (context.input(0).count() == 0) std::fill_n(y, context.output(0).count(), 0.0F);
    std::byte* scratch = context.scratch().data();
    context.pool().parallel_for(state.batch * bands, [&](int64_t i, int slot) {
      const Band& band = state.bands.part(i % bands);
      const int64_t image = i / bands;
      const int64_t from = (image * state.rows.in + band.in_row) * state.columns.in;
      const int64_t to = (image * state.rows.out + band.row) * state.columns.out;
      guarded([&] {
        state.bands.run(
            i % bands, slot,
            {{DNNL_ARG_SRC, x + from * state.channels}, {DNNL_ARG_DST, y + to * state.channels}},
            scratch);
        return 0;
      });
    });
  }

 private:
  void split(const StepShapes& shapes, PoolState& state) const {
    const int threads = shapes.threads();
    const double work = static_cast<double>(state.batch * state.channels) *
                        static_cast<double>(state.rows.out * state.columns.out) *
                        static_cast<double>(state.rows.kernel * state.columns.kernel);
    const int64_t parts = divide_up(wanted_tasks(work, threads), state.batch);
    const int64_t rows = std::max<int64_t>(1, state.rows.out / parts);
    for (const BandAxis* axis : {&state.rows, &state.columns})
      require_counted(shapes, {axis->kernel, axis->stride, axis->pad});
    for (const Band& band : cut_rows(state.rows, rows, false)) {
      require_counted(shapes,
                      {band.in_rows * state.columns.in * state.channels,
                       band.rows * state.columns.out * state.channels, band.pad, band.pad_end});
      state.bands.add(band, std::mem_fn(&Band::is_like),
                      [&](const Band& b) { return make_call(state, b, threads); });
    }
  }

  Call make_call(const PoolState& state, const Band& band, int threads) const {
    constexpr auto kF32 = memory::data_type::f32;
    constexpr auto kPixels = memory::format_tag::nhwc;
    const Band columns = all_rows(state.columns, false);
    const memory::desc src({1, state.channels, band.in_rows, state.columns.in}, kF32, kPixels);
    const memory::desc dst({1, state.channels, band.rows, state.columns.out}, kF32, kPixels);
    const dnnl::pooling_forward::primitive_desc desc(
        cpu_engine(), dnnl::prop_kind::forward_inference,
        counts_pads_ ? dnnl::algorithm::pooling_avg_include_padding
                     : dnnl::algorithm::pooling_avg_exclude_padding,
        src, dst, {state.rows.stride, state.columns.stride},
        {state.rows.kernel, state.columns.kernel}, {0, 0}, {band.pad, columns.pad},
        {band.pad_end, columns.pad_end}, plain_attributes());
    return {dnnl::pooling_forward(desc),
            {{DNNL_ARG_SRC, src}, {DNNL_ARG_DST, dst}},
            {},
            desc.scratchpad_desc(),
            threads};
  }

  std::vector<int64_t> kernel_, strides_, pads_;
  bool counts_pads_ = false;
};

}  // namespace

std::unique_ptr<StepKernel> make_pool(const StepInfo& info) {
  return std::make_unique<PoolStep>(info);
}

}  // namespace planish::cpu::onednn
