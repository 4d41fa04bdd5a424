// SPDX-License-Identifier: Apache-2.0
// What an engine works out once about a plan's programs: kernels, lifetimes, which sizes are known
// when. Immutable; shared by all contexts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "plan/verify.h"
#include "runtime/step_kernel.h"
#include "runtime/thread_pool.h"

namespace planish {

struct ValueCode {
  plan::Storage storage = plan::Storage::kDynamic;
  int32_t root = 0;                 // kAlias: the value whose bytes it has; else itself
  DType dtype = DType::kUndefined;  // kUndefined: not a tensor, or of any dtype
  int32_t rank = -1;                // -1: not known
  int32_t first_dim = 0;            // place in ProgramCode::dims, if the rank is known
  int32_t offset = -1;              // kAlias: an expression
  bool is_known = false;            // its dims follow from what the program's inputs bind
  bool is_symbolic = false;         // dynamic, but its dims follow from those of earlier values
  bool is_device = false;           // its bytes are in device memory
  bool is_output = false;           // the root of an output: its memory is the output's
  int32_t first_step = 0;           // of a root, with its aliases: positions in ProgramCode::steps
  int32_t last_step = -1;
};

struct StepCode {
  const plan::Step* step = nullptr;
  int32_t index = 0;  // in the program
  std::unique_ptr<StepKernel> kernel;
  bool is_static = false;         // the dims of all inputs and outputs are known on entry
  std::vector<int32_t> releases;  // dynamic values that die here
  std::vector<int32_t> captured;  // all values that its subprograms capture
};

// Steps [first, end) that a device records once a binding.
struct Segment {
  size_t first = 0;
  size_t end = 0;
};

// Which output takes which memory.
struct OutputCode {
  int32_t value = 0;
  int32_t root = 0;
  // The root's memory becomes the output's; no earlier output has the same root.
  bool owns_root = false;
};

struct ProgramCode {
  const plan::Program* program = nullptr;
  int32_t index = 0;
  std::vector<ValueCode> values;
  std::vector<Dim> expressions;           // distinct ones
  std::vector<bool> expression_is_known;  // on entry
  std::vector<int32_t> dims;              // of values, as expressions
  std::vector<StepCode> steps;            // without those that have nothing to do
  std::vector<Segment> segments;          // in order
  std::vector<OutputCode> outputs;
  std::vector<int32_t> input_aliases;  // values
  std::vector<int32_t> inherited;      // symbols that it takes from around and needs
  plan::SymbolSet bound;               // on entry
};

struct EngineCode {
  const plan::Plan* plan = nullptr;
  EngineOptions options;  // with threads resolved
  std::vector<Tensor> constants;
  std::unique_ptr<DeviceEngine> device;         // null: no value is in device memory
  std::vector<std::byte*> constants_on_device;  // by constant; null: no value needs it there
  std::map<std::string, int32_t, std::less<>> symbols;  // name -> number
  std::vector<ProgramCode> programs;
  std::shared_ptr<ThreadPool> pool;
};

// The plan must have been verified. Makes kernels over the engine's threads.
std::unique_ptr<EngineCode> make_engine_code(const plan::Plan& plan, const EngineOptions& options);

}  // namespace planish
