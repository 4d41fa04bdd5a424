// SPDX-License-Identifier: Apache-2.0
// cuda.upload and cuda.download: one input, one output of the same type, in the other memory. What
// the caller binds may be in either memory: a copy takes it from where it is.
#include "backend/cuda/runtime/device.h"
#include "runtime/step_kernel.h"

namespace planish::cuda {
namespace {

class CopyStep : public StepKernel {
 public:
  explicit CopyStep(const StepInfo& info) {
    engine_of(info.device());
    info.require(info.input_count() == 1 && info.output_count() == 1 && info.has_input(0) &&
                     info.wants_output(0),
                 "a copy has one input and one output");
  }
  StepBinding bind(const StepShapes& shapes) const override {
    shapes.require(shapes.input(0).present() && shapes.input(0).same_type(shapes.output(0)) &&
                       shapes.input(0).dtype != DType::kString,
                   "a copy changes nothing");
    return {};
  }
};

class UploadStep final : public CopyStep {
 public:
  using CopyStep::CopyStep;
  StepMemory memory() const override { return {plan::Memory::kHost, plan::Memory::kDevice}; }
  void run(StepContext& c) const override {
    static_cast<CudaSession&>(*c.session())
        .copy(c.output(0).data(), c.input(0).data(), c.output(0).bytes());
  }
};

class DownloadStep final : public CopyStep {
 public:
  using CopyStep::CopyStep;
  StepMemory memory() const override { return {plan::Memory::kDevice, plan::Memory::kHost}; }
  void run(StepContext& c) const override {
    static_cast<CudaSession&>(*c.session())
        .copy_to_host(c.output(0).data(), c.input(0).data(), c.output(0).bytes());
  }
};

const RegisterStepKernel kUpload("cuda.upload", make_step_kernel<UploadStep>);
const RegisterStepKernel kDownload("cuda.download", make_step_kernel<DownloadStep>);

}  // namespace
}  // namespace planish::cuda
