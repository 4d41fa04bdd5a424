// SPDX-License-Identifier: Apache-2.0
// One node of a network on the device: what the tuner measures.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/compile/kernel_compiler.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/runtime/driver.h"
#include "base/options.h"
#include "ir/graph.h"
#include "plan/plan.h"
#include "tuner/tactic.h"

namespace planish::cuda {

// What a plan for these targets says of itself.
void describe_target(const Lowering& lowering, const KernelCompiler& compiler, plan::Plan& plan);

// What all trials of a build share.
struct Bench {
  const Options& options;
  const Lowering& lowering;  // targets and precision
  const KernelCompiler& compiler;
  std::shared_ptr<DriverDevice> device;
  std::shared_ptr<void> stream;  // that all runs join
};

// The node of `isolated` several times over, each with weights of its own, as a captured graph on
// data in the device's memory: networks seldom find a layer's weights in the cache.
std::unique_ptr<tuner::Trial> open_trial(std::shared_ptr<const ir::Graph> isolated,
                                         std::vector<std::string> tactics, const Bench& bench);

// Wall time around runs that are enqueued together and waited for once.
class DeviceClock final : public tuner::Meter {
 public:
  explicit DeviceClock(const Bench& bench) : bench_(bench) {}
  double now() override;
  double time(tuner::Runnable& runnable) override;
  double worth() const override { return 50; }

 private:
  const Bench& bench_;
};

}  // namespace planish::cuda
