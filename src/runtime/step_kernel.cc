// SPDX-License-Identifier: Apache-2.0
#include "runtime/step_kernel.h"

#include <map>
#include <utility>

#include "base/str.h"
#include "planish/error.h"
#include "runtime/frame.h"

namespace planish {
namespace {

using KernelTable = std::map<std::string, StepKernelFactory, std::less<>>;
KernelTable& kernels() {
  static KernelTable table;
  return table;
}

using BackendTable = std::map<std::string, BackendInfo, std::less<>>;
BackendTable& backends() {
  static BackendTable table;
  return table;
}

std::string describe(const char* what, std::span<const KnownTensor> tensors) {
  std::string text = concat(what, " ");
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (i != 0) text += ", ";
    text += tensors[i].present()
                ? concat(dtype_name(tensors[i].dtype), " ", dims_to_string(tensors[i].dims))
                : "none";
  }
  return text;
}

}  // namespace

RegisterStepKernel::RegisterStepKernel(std::string name, StepKernelFactory factory) {
  if (!kernels().emplace(name, factory).second)
    throw Error(ErrorCode::kInternal, concat("step kernel ", name, " is registered twice"));
}

StepKernelFactory find_step_kernel(std::string_view name) {
  const auto it = kernels().find(name);
  return it == kernels().end() ? nullptr : it->second;
}

RegisterBackend::RegisterBackend(BackendInfo info) {
  const std::string name = info.name;
  if (!backends().emplace(name, std::move(info)).second)
    throw Error(ErrorCode::kInternal, concat("backend ", name, " is registered twice"));
}

const BackendInfo* find_backend(std::string_view name) {
  const auto it = backends().find(name);
  return it == backends().end() ? nullptr : &it->second;
}

const Type& StepInfo::input_type(int i) const {
  if (!has_input(i)) fail(concat("input ", i, " is missing"));
  return program_.values[static_cast<size_t>(step_.inputs[static_cast<size_t>(i)])].type;
}

const Type& StepInfo::output_type(int i) const {
  if (!wants_output(i)) fail(concat("output ", i, " is missing"));
  return program_.values[static_cast<size_t>(step_.outputs[static_cast<size_t>(i)])].type;
}

const Tensor* StepInfo::constant(int i) const {
  if (!has_input(i)) return nullptr;
  const plan::Value& value =
      program_.values[static_cast<size_t>(step_.inputs[static_cast<size_t>(i)])];
  return value.storage == plan::Storage::kConstant ? &constants_[static_cast<size_t>(value.index)]
                                                   : nullptr;
}

void StepInfo::fail(const std::string& what) const {
  throw Error(ErrorCode::kInvalidPlan,
              concat("step \"", step_.node, "\", kernel ", step_.kernel, ": ", what), step_.node);
}

void StepShapes::fail(const std::string& what) const {
  throw Error(ErrorCode::kInvalidShape,
              concat(step_.op, " node \"", step_.node, "\": ", what, " (kernel ", step_.kernel,
                     ", ", describe("inputs", inputs_), "; ", describe("outputs", outputs_), ")"),
              step_.node);
}

int64_t StepShapes::value(const Dim& dim) const {
  if (dim.is_constant()) return dim.value();
  const std::optional<int64_t> value = dims_ == nullptr ? std::nullopt : (*dims_)(dim);
  if (!value) fail(concat("the expression ", dim.to_string(), " has no value"));
  return *value;
}

StepBinding StepKernel::bind(const StepShapes&) const { return {}; }
bool StepKernel::may_overwrite(int, int) const { return false; }

int StepContext::find_subprogram(std::string_view name) const {
  for (size_t i = 0; i < step_->subprograms.size(); ++i)
    if (step_->subprograms[i].name == name) return static_cast<int>(i);
  return -1;
}

std::vector<Datum> StepContext::run_subprogram(int index, std::vector<Datum> inputs) {
  return frame_->run_subprogram(index_, index, std::move(inputs));
}

std::vector<Type> StepContext::subprogram_types(int index) const {
  return frame_->subprogram_types(index_, index);
}

}  // namespace planish
