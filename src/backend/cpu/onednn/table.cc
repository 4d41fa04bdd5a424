// SPDX-License-Identifier: Apache-2.0
// What the runtime finds in this library.
#include <dnnl.hpp>
#include <string>

#include "backend/cpu/onednn/steps.h"
#include "backend/cpu/runtime/onednn_library.h"
#include "planish/version.h"

namespace planish::cpu::onednn {
namespace {

#define PLANISH_TEXT_OF(number) #number
#define PLANISH_VERSION_TEXT(a, b, c) \
  PLANISH_TEXT_OF(a) "." PLANISH_TEXT_OF(b) "." PLANISH_TEXT_OF(c)

std::unique_ptr<StepKernel> make(const StepInfo& info) {
  const std::string& kernel = info.step().kernel;
  if (kernel == "onednn.conv") return make_conv(info);
  if (kernel == "onednn.matmul") return make_matmul(info);
  if (kernel == "onednn.deconv") return make_deconv(info);
  if (kernel == "onednn.pool") return make_pool(info);
  info.fail("oneDNN's library has no such kernel");
}

}  // namespace
}  // namespace planish::cpu::onednn

extern "C" __attribute__((visibility("default")))
const planish::cpu::OnednnTable planish_onednn_table = {
    PLANISH_VERSION,
    PLANISH_VERSION_TEXT(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH),
    planish::cpu::onednn::make};
