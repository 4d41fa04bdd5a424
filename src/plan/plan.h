// SPDX-License-Identifier: Apache-2.0
// The plan: all that a runtime needs to run a compiled network. Plain data, checked by verify().
//
// A plan holds programs. A program is a list of steps over numbered values, in SSA form: every
// value is an input, a constant or the output of one step, and steps come in the order of
// execution. Program 0 is the network; every other program belongs to one step of an earlier
// program (a branch, a loop's body), which names it.
//
// Where a value lives is decided when the plan is made:
//   kInput     given by whoever runs the program
//   kConstant  one of the plan's constants
//   kPlanned   a place in the arena (or the caller's memory, for an output). Its dims are
//              expressions over symbols that the program's inputs bind
//   kDynamic   on the heap, from its step to its last use: sequences, strings, maps, optionals, and
//              tensors whose size is known only when they are made
//   kAlias     other dims over the bytes of another value of the program (Reshape), or a part of
//              them from `offset` (a piece of a concatenation)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/attributes.h"
#include "tensor/dim.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace planish::plan {

// Number of the file format. A reader takes its own number only.
inline constexpr uint32_t kFormatVersion = 1;

struct Symbol {
  std::string name;
  DimRange range;
};

// An input or output of the engine, as its user sees it.
struct Port {
  std::string name;
  Type type;
};

struct DimsRange {
  Dims min;
  Dims opt;
  Dims max;
};

struct Profile {
  std::string name;
  std::vector<DimsRange> inputs;  // parallel to Plan::inputs; empty dims where nothing is said
};

// A tensor of the plan. A splat keeps one element for all.
struct Constant {
  Tensor data;  // a splat: one element, whatever `dims`
  Dims dims;
  bool is_splat = false;

  DType dtype() const { return data.dtype(); }
};

// Finds out whether all elements of a large tensor have the same bits.
Constant make_constant(Tensor tensor);
// The whole tensor; a splat is filled into fresh memory.
Tensor expand(const Constant& constant);

enum class Storage : uint8_t { kInput, kConstant, kPlanned, kDynamic, kAlias };

// Where a value's bytes are. Inputs, outputs and dynamic values are the host's; steps copy.
enum class Memory : uint8_t { kHost, kDevice };

struct Value {
  std::string name;
  Type type;
  Storage storage = Storage::kDynamic;
  int32_t index = -1;  // kInput: which input; kConstant: which constant; kAlias: which value
  Dim offset;          // kAlias: in bytes
  Memory memory = Memory::kHost;
};

// A program that a step runs. Its inputs are those that the step's kernel hands over, followed by
// `captured`: values of the step's own program.
struct Subprogram {
  std::string name;
  int32_t program = 0;
  std::vector<int32_t> captured;
};

struct Step {
  std::string kernel;  // a registered step kernel: "ref", "alias", "cpu.gemm"
  std::string op;      // the operator, or what stands for it in reports
  std::string node;    // the model's name for it, for messages
  Attributes attributes;
  std::vector<int32_t> inputs;   // values; -1: absent
  std::vector<int32_t> outputs;  // values; -1: not wanted
  std::vector<Subprogram> subprograms;
  std::string tactic;  // how it is computed and why, for reports
};

struct Program {
  std::string name;
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<int32_t> inputs;   // values
  std::vector<int32_t> outputs;  // values
};

struct Target {
  std::string backend = "cpu";
  std::string isa = "plain";                      // the narrowest that the processor must have
  std::map<std::string, std::string> properties;  // the backend's own
};

// One thing worth telling: what a pass did, a tactic and its time or refusal.
struct Record {
  std::string kind;     // "pass", "tactic", "model"
  std::string subject;  // the pass, the step's node
  std::map<std::string, std::string> fields;
};

// Bytes that the plan carries for somebody else: another target's code, the canonical graph.
struct Section {
  std::string name;
  OwnedBytes data;
};

// The check of bytes that a reader has mapped but not looked at.
class DeferredCheck {
 public:
  virtual ~DeferredCheck() = default;
  // Checks all of them over `threads` threads, once; throws kInvalidPlan if they are damaged.
  virtual void run(int threads) const = 0;
};

struct Plan {
  std::string made_by;  // version of Planish
  std::string sources;  // of the compiler: hash or version, tools
  std::string rebuild;  // the command that makes the plan again
  Target target;
  std::map<std::string, std::string> metadata;  // the model's
  std::vector<Symbol> symbols;                  // every symbol of a value's type, by name
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  std::vector<Profile> profiles;
  std::vector<Constant> constants;
  std::vector<Program> programs;
  std::vector<Record> report;
  std::vector<Section> sections;  // names are unique
  // To be run before the data of constants and sections are used; null: nothing is left to check.
  std::shared_ptr<const DeferredCheck> unchecked;

  const Program& main() const { return programs.front(); }
};

// Bytes of all constants as they are kept.
uint64_t weight_bytes(const Plan& plan);

}  // namespace planish::plan
