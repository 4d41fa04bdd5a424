// SPDX-License-Identifier: Apache-2.0
// cpu.pool: largest or mean element of windows, channels last. Attributes as the op's, with `op`
// naming it; x [n, spatial..., c], y [n, spatial..., c].
#include "backend/cpu/kernels/pool.h"

#include <algorithm>

#include "backend/cpu/runtime/step_isa.h"
#include "runtime/step_kernel.h"
#include "runtime/window_check.h"

namespace planish::cpu {
namespace {

struct PoolState final : StepState {
  Pool pool;
};

class PoolStep final : public StepKernel {
 public:
  explicit PoolStep(const StepInfo& info) : isa_(step_isa(info)) {
    const Attributes& a = info.attributes();
    info.require(info.has_input(0) && info.wants_output(0), "expected an input and an output");
    kernel_ = a.integers("kernel_shape");
    const size_t n = kernel_.size();
    info.require(n >= 1 && n <= 3, "expected 1 to 3 spatial dims");
    strides_ = a.integers("strides", std::vector<int64_t>(n, 1));
    dilations_ = a.integers("dilations", std::vector<int64_t>(n, 1));
    pads_ = a.integers("pads", std::vector<int64_t>(2 * n, 0));
    auto_pad_ = a.text("auto_pad", "NOTSET");
    info.require(strides_.size() == n && dilations_.size() == n && pads_.size() == 2 * n,
                 "attributes differ in length");
    constexpr int64_t kLimit = int64_t{1} << 31;
    for (const auto* list : {&kernel_, &strides_, &dilations_})
      for (int64_t v : *list) info.require(v >= 1 && v < kLimit, "the geometry is out of range");
    for (int64_t v : pads_) info.require(v >= 0 && v < kLimit, "a pad is out of range");
    is_mean_ = a.text("op") == "AveragePool";
    count_pad_ = a.integer("count_include_pad", 0) != 0;
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
    Pool& p = state->pool;
    p.batch = x.dims[0];
    p.channels = x.dims.back();
    for (size_t i = 0; i < n; ++i) {
      const size_t slot = 3 - n + i;
      p.in[slot] = x.dims[1 + i];
      p.out[slot] = y.dims[1 + i];
      p.kernel[slot] = kernel_[i];
      p.stride[slot] = strides_[i];
      p.dilation[slot] = dilations_[i];
      set_pads(p, slot, pads_[i], pads_[n + i]);
      const int64_t window = (kernel_[i] - 1) * dilations_[i] + 1;
      const int64_t room = p.in[slot] + p.pad[slot] + p.pad_end[slot];
      require_window(shapes, i, p.in[slot], window, room);
    }
    p.x_pixel = p.y_pixel = p.channels;
    p.x_batch = x.count() == 0 ? 0 : x.count() / p.batch;
    p.y_batch = y.count() == 0 ? 0 : y.count() / p.batch;
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    Pool p = static_cast<PoolState&>(*c.state()).pool;
    p.x = c.input(0).as<float>();
    p.y = c.output(0).as<float>();
    if (is_mean_)
      average_pool(isa_, p, count_pad_, c.pool());
    else
      max_pool(isa_, p, c.pool());
  }

 private:
  void set_pads(Pool& p, size_t slot, int64_t begin, int64_t end) const {
    if (auto_pad_ == "NOTSET" || auto_pad_ == "VALID") {
      p.pad[slot] = auto_pad_ == "VALID" ? 0 : begin;
      p.pad_end[slot] = auto_pad_ == "VALID" ? 0 : end;
      return;
    }
    const int64_t window = (p.kernel[slot] - 1) * p.dilation[slot] + 1;
    const int64_t total =
        std::max<int64_t>(0, (p.out[slot] - 1) * p.stride[slot] + window - p.in[slot]);
    p.pad[slot] = auto_pad_ == "SAME_LOWER" ? (total + 1) / 2 : total / 2;
    p.pad_end[slot] = total - p.pad[slot];
  }

  Isa isa_;
  std::vector<int64_t> kernel_, strides_, dilations_, pads_;
  std::string auto_pad_;
  bool is_mean_ = false;
  bool count_pad_ = false;
};

const RegisterStepKernel kPool("cpu.pool", make_step_kernel<PoolStep>);

}  // namespace
}  // namespace planish::cpu
