// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/placement.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/str.h"

namespace planish::cuda {
namespace {

using plan::Memory;
using plan::Storage;

class Placer {
 public:
  Placer(plan::Program& program, PlacementReport& report) : program_(program), report_(report) {}

  void run() {
    std::vector<plan::Step> steps = std::move(program_.steps);
    program_.steps.clear();
    for (plan::Step& step : steps) add(std::move(step));
    for (int32_t& v : program_.outputs) v = in(v, Memory::kHost);
  }

 private:
  plan::Value& value(int32_t v) { return program_.values[static_cast<size_t>(v)]; }

  void add(plan::Step step) {
    if (step.kernel == "alias") return add_alias(std::move(step));
    const bool on_device = step.kernel == "cuda.launch";
    const Memory memory = on_device ? Memory::kDevice : Memory::kHost;
    for (int32_t& v : step.inputs)
      if (v >= 0) v = in(v, memory);
    for (plan::Subprogram& sub : step.subprograms)
      for (int32_t& v : sub.captured) v = in(v, Memory::kHost);
    for (int32_t v : step.outputs)
      if (v >= 0) value(v).memory = memory;
    if (on_device)
      ++report_.device_steps;
    else
      report_.host_steps.push_back(concat(step.op, " ", step.node));
    program_.steps.push_back(std::move(step));
  }

  // An alias is where its root is; one of something that is on both sides is made where it is used.
  void add_alias(plan::Step step) {
    plan::Value& out = value(step.outputs[0]);
    if (out.storage == Storage::kAlias) {
      out.memory = value(out.index).memory;
    } else {
      for (int32_t& v : step.inputs)
        if (v >= 0) v = in(v, Memory::kHost);
    }
    program_.steps.push_back(std::move(step));
  }

  // The value in the memory where it is needed.
  int32_t in(int32_t v, Memory memory) {
    if (value(v).memory == memory) return v;
    const auto [it, is_new] = twins_.try_emplace(v, -1);
    if (is_new) it->second = make_twin(v, memory);
    return it->second;
  }

  int32_t make_twin(int32_t v, Memory memory) {
    plan::Value twin = value(v);
    twin.memory = memory;
    if (twin.storage == Storage::kConstant) return add_value(std::move(twin));
    plan::Step step{.op = "", .node = twin.name};
    if (twin.storage == Storage::kAlias && is_better_through_root(v)) {
      twin.index = in(twin.index, memory);
      step.kernel = "alias";
      step.op = "Reshape";
      step.inputs = {twin.index};
    } else {
      twin.storage = Storage::kPlanned;
      twin.index = -1;
      twin.offset = Dim(0);
      step.kernel = memory == Memory::kDevice ? "cuda.upload" : "cuda.download";
      step.op = memory == Memory::kDevice ? "upload" : "download";
      step.inputs = {v};
      ++report_.copies;
    }
    step.outputs = {add_value(std::move(twin))};
    program_.steps.push_back(std::move(step));
    return program_.steps.back().outputs[0];
  }

  // The root may be there already; a root that is larger than the alias is copied for its own sake.
  bool is_better_through_root(int32_t v) {
    const plan::Value& alias = value(v);
    const plan::Value& root = value(alias.index);
    return twins_.count(alias.index) != 0 || root.storage == Storage::kConstant ||
           (root.storage == Storage::kInput && alias.offset == Dim(0));
  }

  int32_t add_value(plan::Value v) {
    program_.values.push_back(std::move(v));
    return static_cast<int32_t>(program_.values.size()) - 1;
  }

  plan::Program& program_;
  PlacementReport& report_;
  std::map<int32_t, int32_t> twins_;
};

}  // namespace

PlacementReport place_values(plan::Plan& plan) {
  PlacementReport report;
  for (plan::Program& program : plan.programs) Placer(program, report).run();
  return report;
}

}  // namespace planish::cuda
