// SPDX-License-Identifier: Apache-2.0
// cpu.dims: planish.Dims, the integers that follow from the dimensions of other tensors, worked out
// once for each set of shapes. Attributes as the op's.
#include <map>
#include <optional>
#include <string>

#include "runtime/step_kernel.h"
#include "tensor/dim.h"
#include "tensor/elements.h"

namespace planish::cpu {
namespace {

struct DimsState final : StepState {
  std::vector<int64_t> values;
};

class DimsStep final : public StepKernel {
 public:
  explicit DimsStep(const StepInfo& info)
      : symbols_(info.attributes().texts("symbols")),
        sources_(info.attributes().integers("sources")) {
    info.require(info.wants_output(0) && sources_.size() == 2 * symbols_.size(),
                 "expected an output, and two sources a symbol");
    for (size_t i = 0; i < symbols_.size(); ++i)
      info.require(
          sources_[2 * i] >= 0 && sources_[2 * i] < info.input_count() && sources_[2 * i + 1] >= 0,
          "a source is not an axis of an input");
    for (const std::string& text : info.attributes().texts("dims"))
      dims_.push_back(Dim::parse(text));
  }

  StepBinding bind(const StepShapes& shapes) const override {
    std::map<std::string, int64_t> known;
    for (size_t i = 0; i < symbols_.size(); ++i) {
      const KnownTensor& t = shapes.input(static_cast<int>(sources_[2 * i]));
      const int64_t axis = sources_[2 * i + 1];
      shapes.require(axis < t.rank(), "a source is not an axis of its input");
      known[symbols_[i]] = t.dims[static_cast<size_t>(axis)];
    }
    const auto lookup = [&](const std::string& name) -> std::optional<int64_t> {
      const auto it = known.find(name);
      return it == known.end() ? std::nullopt : std::optional<int64_t>(it->second);
    };
    const KnownTensor& y = shapes.output(0);
    shapes.require((y.dtype == DType::kI64 || y.dtype == DType::kI32) && y.rank() <= 1 &&
                       y.count() == static_cast<int64_t>(dims_.size()),
                   "the output has another shape or type");
    auto state = std::make_unique<DimsState>();
    for (const Dim& dim : dims_) {
      const auto value = dim.evaluate(lookup);
      shapes.require(value.has_value(), "a dimension has no value");
      state->values.push_back(*value);
    }
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    store(c.output(0), static_cast<DimsState&>(*c.state()).values);
  }

 private:
  std::vector<std::string> symbols_;
  std::vector<int64_t> sources_;
  std::vector<Dim> dims_;
};

const RegisterStepKernel kDims("cpu.dims", make_step_kernel<DimsStep>);

}  // namespace
}  // namespace planish::cpu
