// SPDX-License-Identifier: Apache-2.0
#include "compiler/gpu_report.h"

#include <nlohmann/json.hpp>

#include "backend/cpu/compile/compile.h"
#include "backend/cuda/compile/compile.h"
#include "backend/cuda/compile/compile_cache.h"
#include "backend/cuda/compile/nvrtc.h"
#include "backend/cuda/runtime/driver.h"
#include "backend/cuda/runtime/target.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

using Json = nlohmann::ordered_json;

Json describe_device(cuda::Driver& driver, int number) {
  const cuda::DeviceProperties chip = driver.open(number)->properties();
  const auto& known = cuda::known_targets();
  const int best = cuda::best_target(known, chip.major, chip.minor);
  return {{"number", number},
          {"name", chip.name},
          {"capability", concat(chip.major, ".", chip.minor)},
          {"multiprocessors", chip.multiprocessors},
          {"memory_bytes", chip.memory_bytes},
          {"l2_bytes", chip.l2_bytes},
          {"target", best < 0 ? "" : known[static_cast<size_t>(best)].name()}};
}

}  // namespace

std::string describe_gpu(const Options& options) {
  Json out{{"processor", cpu::target_isa({})}};
  const std::shared_ptr<cuda::Driver> driver = cuda::find_driver();
  out["driver"] = driver != nullptr ? cuda::version_text(driver->version()) : "";
  out["devices"] = Json::array();
  std::string fix;
  if (driver == nullptr) {
    fix = "install NVIDIA's driver";
  } else {
    try {
      for (int i = 0; i < driver->device_count(); ++i)
        out["devices"].push_back(describe_device(*driver, i));
    } catch (const Error&) {
      // The first that cannot be opened ends the list; `reason` tells why.
    }
  }
  const cuda::NvrtcSearch nvrtc = cuda::find_nvrtc(options.nvrtc);
  out["compiler"] = nvrtc.compiler != nullptr ? nvrtc.compiler->version() : "";
  out["compiler_path"] = nvrtc.path;
  if (nvrtc.compiler == nullptr && fix.empty()) fix = "pip install nvidia-cuda-nvrtc";
  out["kernel_cache"] = cuda::CompileCache(options.kernel_cache).folder();
  const std::string reason = cuda::why_unusable(options);
  out["usable"] = reason.empty();
  out["reason"] = reason;
  out["fix"] = fix;
  return out.dump();
}

}  // namespace planish
