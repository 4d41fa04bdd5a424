// SPDX-License-Identifier: Apache-2.0
// How a backend computes the steps of a plan.
//
//   class Relu final : public StepKernel {
//    public:
//     explicit Relu(const StepInfo& info) { info.require(info.input_count() == 1, "expected 1
//     input"); } StepBinding bind(const StepShapes& shapes) const override {
//       shapes.require(shapes.input(0).same_type(shapes.output(0)), "input and output differ");
//       return {};
//     }
//     void run(StepContext& c) const override { relu(c.input(0), c.output(0), c.pool()); }
//     bool may_overwrite(int, int) const override { return true; }
//   };
//   const RegisterStepKernel kRelu("cpu.relu", make_step_kernel<Relu>);
//
// A kernel object is made once an engine, from a step; it may pack weights. It is immutable: many
// contexts run it at once. bind() is called when shapes are known and may prepare what depends on
// them; run() then trusts them. Since plans may be hostile, whatever run() relies on must be
// checked before: arity, attributes and data types in the constructor, sizes in bind().
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/budget.h"
#include "plan/plan.h"
#include "runtime/device.h"
#include "runtime/engine_options.h"
#include "runtime/thread_pool.h"
#include "tensor/tensor.h"

namespace planish {

// A step as its kernel's constructor sees it.
class StepInfo {
 public:
  StepInfo(const plan::Plan& plan, const plan::Program& program, const plan::Step& step,
           std::span<const Tensor> constants, const EngineOptions& options,
           DeviceEngine* device = nullptr)
      : plan_(plan),
        program_(program),
        step_(step),
        constants_(constants),
        options_(options),
        device_(device) {}

  const plan::Plan& plan() const { return plan_; }
  const plan::Program& program() const { return program_; }
  const plan::Step& step() const { return step_; }
  const Attributes& attributes() const { return step_.attributes; }
  const EngineOptions& options() const { return options_; }
  DeviceEngine* device() const { return device_; }  // null: the engine has none

  int input_count() const { return static_cast<int>(step_.inputs.size()); }
  int output_count() const { return static_cast<int>(step_.outputs.size()); }
  bool has_input(int i) const {
    return i < input_count() && step_.inputs[static_cast<size_t>(i)] >= 0;
  }
  bool wants_output(int i) const {
    return i < output_count() && step_.outputs[static_cast<size_t>(i)] >= 0;
  }
  // Throw kInvalidPlan if the input or output is absent.
  const Type& input_type(int i) const;
  const Type& output_type(int i) const;
  // Null if the input is absent or no constant. The tensor lives as long as the engine.
  const Tensor* constant(int i) const;

  // Throws kInvalidPlan with the step's kernel and node.
  [[noreturn]] void fail(const std::string& what) const;
  void require(bool condition, const std::string& what) const {
    if (!condition) fail(what);
  }

 private:
  const plan::Plan& plan_;
  const plan::Program& program_;
  const plan::Step& step_;
  std::span<const Tensor> constants_;
  const EngineOptions& options_;
  DeviceEngine* device_;
};

// What is known of an input or output before the step runs.
struct KnownTensor {
  DType dtype = DType::kUndefined;  // kUndefined: absent, or not a tensor
  std::span<const int64_t> dims;
  const Tensor* constant = nullptr;  // the value itself, if it is a constant

  bool present() const { return dtype != DType::kUndefined; }
  int rank() const { return static_cast<int>(dims.size()); }
  int64_t count() const { return element_count(dims); }
  bool same_dims(const KnownTensor& other) const {
    return std::equal(dims.begin(), dims.end(), other.dims.begin(), other.dims.end());
  }
  bool same_type(const KnownTensor& other) const {
    return dtype == other.dtype && same_dims(other);
  }
};

// Value of an expression over the program's symbols; nullopt if it has none.
using EvaluateDim = std::function<std::optional<int64_t>(const Dim&)>;

class StepShapes {
 public:
  StepShapes(const plan::Step& step, std::span<const KnownTensor> inputs,
             std::span<const KnownTensor> outputs, int threads, const EvaluateDim* dims = nullptr)
      : step_(step), inputs_(inputs), outputs_(outputs), threads_(threads), dims_(dims) {}

  const plan::Step& step() const { return step_; }
  int threads() const { return threads_; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  // An absent one answers present() with false, beyond the end too.
  const KnownTensor& input(int i) const { return at(inputs_, i); }
  const KnownTensor& output(int i) const { return at(outputs_, i); }
  // Throws kInvalidShape if the expression has no value.
  int64_t value(const Dim& dim) const;

  // Throws kInvalidShape with the step's op, node and shapes.
  [[noreturn]] void fail(const std::string& what) const;
  void require(bool condition, const std::string& what) const {
    if (!condition) fail(what);
  }

 private:
  static const KnownTensor& at(std::span<const KnownTensor> all, int i) {
    static const KnownTensor kAbsent;
    return i < static_cast<int>(all.size()) ? all[static_cast<size_t>(i)] : kAbsent;
  }
  const plan::Step& step_;
  std::span<const KnownTensor> inputs_;
  std::span<const KnownTensor> outputs_;
  int threads_;
  const EvaluateDim* dims_;
};

// What a kernel keeps for one set of shapes of one context; never used by two threads at once.
class StepState {
 public:
  virtual ~StepState() = default;
};

struct StepBinding {
  size_t scratch_bytes = 0;  // while the step runs, where its outputs are; aligned to 64
  std::unique_ptr<StepState> state;
};

class Frame;
class Context;

// A step at run time. Inputs and outputs are in place; positions are the step's.
class StepContext {
 public:
  const plan::Step& step() const { return *step_; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  bool has_input(int i) const {
    return i < input_count() && inputs_[static_cast<size_t>(i)] != nullptr;
  }
  bool wants_output(int i) const {
    return i < output_count() && outputs_[static_cast<size_t>(i)] != nullptr;
  }
  // The step must have them.
  const Datum& datum(int i) const { return *inputs_[static_cast<size_t>(i)]; }
  const Tensor& input(int i) const { return std::get<Tensor>(datum(i).held); }
  Datum& output_datum(int i) { return *outputs_[static_cast<size_t>(i)]; }
  Tensor& output(int i) { return std::get<Tensor>(output_datum(i).held); }
  // Null where absent or not wanted.
  std::span<const Datum* const> inputs() const { return inputs_; }
  std::span<Datum* const> outputs() const { return outputs_; }

  std::span<std::byte> scratch() const { return scratch_; }
  StepState* state() const { return state_; }
  ThreadPool& pool() const { return *pool_; }
  RunBudget& budget() const { return *budget_; }
  DeviceSession* session() const { return session_; }  // null: the engine has no device

  // Index of the named subprogram, -1 if there is none.
  int find_subprogram(std::string_view name) const;
  // Runs it once; captured values are handed over by the frame. What comes back owns its memory.
  std::vector<Datum> run_subprogram(int index, std::vector<Datum> inputs);
  // Types of what it would return, as far as they are known now.
  std::vector<Type> subprogram_types(int index) const;

 private:
  friend class Frame;
  friend class Binder;
  const plan::Step* step_ = nullptr;
  std::vector<const Datum*> inputs_;
  std::vector<Datum*> outputs_;
  std::span<std::byte> scratch_;
  StepState* state_ = nullptr;
  ThreadPool* pool_ = nullptr;
  RunBudget* budget_ = nullptr;
  DeviceSession* session_ = nullptr;
  Frame* frame_ = nullptr;
  int index_ = 0;
};

// Where a step's operands must be.
struct StepMemory {
  plan::Memory inputs = plan::Memory::kHost;
  plan::Memory outputs = plan::Memory::kHost;
};

class StepKernel {
 public:
  virtual ~StepKernel() = default;

  virtual StepMemory memory() const { return {}; }
  // True for a kernel of the device that enqueues the same work in every run of one binding, on
  // addresses of device memory alone.
  virtual bool is_recordable() const { return false; }

  // Called once for each set of shapes of a context, before run(): as soon as the dims of all
  // inputs and outputs are known. For a step whose outputs' dims are not known until it has run,
  // see makes_outputs().
  virtual StepBinding bind(const StepShapes& shapes) const;
  virtual void run(StepContext& context) const = 0;
  // Whether `output` may have the place of `input`, if both are of one size and the input is not
  // needed any more.
  virtual bool may_overwrite(int output, int input) const;
  // True for a kernel that fills the outputs' data by itself where they hold no tensor, and takes
  // any data as inputs. If one of a step's inputs or outputs has no known dims, bind() is not
  // called for such a kernel, and every other kernel is refused.
  virtual bool makes_outputs() const { return false; }
};

using StepKernelFactory = std::unique_ptr<StepKernel> (*)(const StepInfo& info);

template <class Kernel>
std::unique_ptr<StepKernel> make_step_kernel(const StepInfo& info) {
  return std::make_unique<Kernel>(info);
}

class RegisterStepKernel {
 public:
  // Registering a name twice is a bug: throws kInternal.
  RegisterStepKernel(std::string name, StepKernelFactory factory);
};
// Null if there is none.
StepKernelFactory find_step_kernel(std::string_view name);

// A backend as the runtime knows it: by the name in a plan's target.
struct BackendInfo {
  std::string name;
  // Throws if this machine cannot run the target (kVersionMismatch with a hint).
  void (*check)(const plan::Target& target, const EngineOptions& options) = nullptr;
  // For a backend with memory of its own: called when the first context is made. Throws
  // kVersionMismatch or kDeviceError.
  std::unique_ptr<DeviceEngine> (*make_device)(const plan::Plan& plan,
                                               const EngineOptions& options) = nullptr;
};
class RegisterBackend {
 public:
  explicit RegisterBackend(BackendInfo info);
};
const BackendInfo* find_backend(std::string_view name);

}  // namespace planish
