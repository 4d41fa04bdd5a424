// SPDX-License-Identifier: Apache-2.0
// The steps of this library.
#pragma once

#include <memory>

#include "runtime/step_kernel.h"

namespace planish::cpu::onednn {

std::unique_ptr<StepKernel> make_conv(const StepInfo& info);
std::unique_ptr<StepKernel> make_matmul(const StepInfo& info);
std::unique_ptr<StepKernel> make_deconv(const StepInfo& info);
std::unique_ptr<StepKernel> make_pool(const StepInfo& info);

}  // namespace planish::cpu::onednn
