// SPDX-License-Identifier: Apache-2.0
// What the runtime finds in this library.
#include <dnnl.hpp>
#include <string>

#include "backend/cpu/onednn/steps.h"
#include "backend/cpu/runtime/onednn_library.h"
#include "base/str.h"
#include "planish/version.h"

namespace planish::cpu::onednn {
namespace {

std::string version() {
  const dnnl_version_t* v = dnnl::version();
  return concat(v->major, ".", v->minor, ".", v->patch, " ", v->hash);
}

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
    PLANISH_VERSION, planish::cpu::onednn::version, planish::cpu::onednn::make};
