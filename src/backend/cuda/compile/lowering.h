// SPDX-License-Identifier: Apache-2.0
// Which kernels compute a node: one lowering an op or several, registered in lower/.
//
//   std::optional<ref::StepChoice> lower_relu(const ir::Node& node, Lowering& lowering) {
//     StepBuilder step(lowering);
//     Launch launch("#include \"pointwise.cuh\"\n...");
//     launch.in(step.input(node.input(0))).out(0).i64(step.dim(product(shape)));
//     launch.grid(step.dim(blocks)).threads(256);
//     step.add(std::move(launch));
//     return step.finish("one pass over memory");
//   }
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/cuda/runtime/launch_layout.h"
#include "backend/cuda/runtime/target.h"
#include "backend/ref/compile/isolate.h"
#include "backend/ref/compile/lower.h"
#include "ir/graph.h"

namespace planish::cuda {

// What all lowerings of one build share.
struct Lowering {
  // A way to compute a node among others, for the tuner.
  struct Offer {
    std::string tactic;
    double seconds = 0;  // estimated
  };

  std::vector<Target> targets;  // kernels must compile for each
  int multiprocessors = 132;    // of the device, or of a typical one of its kind
  bool allow_tf32 = false;
  std::shared_ptr<const ref::UsualSizes> usual;  // null: nothing is known of symbols
  // Constants that were made of others (first), by the other's bytes, which stay with them, and the
  // way; null: none is kept.
  using Packed = std::map<std::pair<const void*, std::string>, std::pair<Tensor, Tensor>>;
  std::shared_ptr<Packed> packed;
  bool packs = true;   // false: constants may be of no size, nothing will be run
  std::string wanted;  // the tactic to take where it is offered; empty: the cheapest by estimate
  std::string taken;   // of the node lowered last; empty: it had no choice
  std::vector<Offer> offers;                   // of the node lowered last, the cheapest first
  std::map<std::string, std::string> sources;  // of the kernels chosen so far, by key

  bool all_at_least(int number) const {
    for (const Target& t : targets)
      if (t.number() < number) return false;
    return true;
  }
};

// Bytes of shared memory that a block may have on every target.
int64_t shared_limit(const std::vector<Target>& targets);

class StepBuilder;

// One launch of a step. Parameters are added in the order of the kernel's Params.
class Launch {
 public:
  explicit Launch(std::string source) : source_(std::move(source)) {}
  // `offset`: an expression in bytes; negative: none. A negative input: an address of 0.
  Launch& in(int input, int offset = -1);
  Launch& out(int output, int offset = -1);
  Launch& scratch(int dim);  // at this many bytes
  Launch& zeros();           // 32 KiB that are zero, and are left zero
  // Where the kernel stores the number behind it if an index is out of range.
  Launch& fault();
  Launch& i32(int64_t value);  // one that does not fit 32 bits makes the node one of the host
  Launch& i64(int64_t value);
  Launch& f32(float value);
  Launch& i32_dim(int dim);
  Launch& i64_dim(int dim);
  Launch& grid(int x_dim, int y_dim = -1, int z_dim = -1);  // -1: 1
  Launch& threads(int count);
  Launch& shared(int64_t bytes);
  // The kernel calls wait_for_predecessor() before it reads what others wrote.
  Launch& overlaps(bool does = true);

 private:
  friend class StepBuilder;
  std::string source_;
  std::vector<Field> fields_;
  int grid_[3] = {-1, -1, -1};
  int64_t threads_ = 1;
  int64_t shared_ = 0;
  bool overlaps_ = false;
  bool is_storable_ = true;
};

class StepBuilder {
 public:
  explicit StepBuilder(Lowering& lowering) : lowering_(lowering) {}

  // The step's input that holds the value; each value once. Null: -1.
  int input(const ir::Value* value);
  int input(Tensor constant);
  // A constant made of another in a way that `how` names: made once, and only if it is needed.
  int input(const Tensor& source, const std::string& how, const std::function<Tensor()>& make);
  // Number of the expression. False from is_storable: the node cannot be lowered.
  int dim(const Dim& dim);
  bool is_storable() const { return is_storable_; }
  // Room for `bytes` more of scratch memory; the expression of its offset.
  int scratch(const Dim& bytes);
  void may_overwrite(int output, int input);
  // Of what the step's kernels write last: functions need be no better than that.
  void rounds_to(DType type) { is_fast_ = is_fast_ || type == DType::kF16 || type == DType::kBF16; }
  // Runs fail unless `window` elements fit into spatial axis `axis`, of size `in`, with `pads`.
  void require_window(size_t axis, const Dim& in, int64_t window, int64_t pads);
  // Runs fail unless the axis of this size has elements.
  void require_elements(const Dim& size);
  // Strides of a dense tensor of shape `operand` that is broadcast to `output`. Runs fail unless it
  // can be, where that is known only then. nullopt: it has more axes.
  std::optional<std::vector<Dim>> broadcast(const Shape& operand, const Shape& output);
  // More shared memory than a target has makes the node one of the host.
  void add(Launch launch);
  // nullopt if an expression is too large for a plan.
  std::optional<ref::StepChoice> finish(std::string tactic);

 private:
  Lowering& lowering_;
  std::vector<ref::StepChoice::Input> inputs_;
  std::vector<Dim> dims_;
  std::vector<Launch> launches_;
  std::vector<int64_t> in_place_;
  std::vector<int64_t> windows_;
  std::vector<int64_t> broadcasts_;
  std::vector<int64_t> filled_;
  Dim scratch_ = 0;
  bool is_storable_ = true;
  bool is_fast_ = false;
};

using LowerNode = std::optional<ref::StepChoice> (*)(const ir::Node& node, Lowering& lowering);

class RegisterLowering {
 public:
  // `op` is that of the node, or of the root of a planish.Fused node; "" for pointwise nodes.
  // Of several for one op the one with the lowest order is asked first.
  RegisterLowering(std::string op, LowerNode lower, int order = 0);
};

std::optional<ref::StepChoice> lower_node(const ir::Node& node, Lowering& lowering);

// The node of a planish.Fused node's body that its tail hangs on: the last that is not pointwise;
// null if there is none.
const ir::Node* fused_root(const ir::Node& node);
// The root of a Fused node, or the node itself.
const ir::Node& root_of(const ir::Node& node);
// The node's input that stands for a value of its body (itself, if the node has no body).
const ir::Value* outer_value(const ir::Node& node, const ir::Value* inner);

// --- questions that lowerings ask
// -----------------------------------------------------------------
bool is_tensor(const ir::Value* v, std::initializer_list<DType> types);  // of known rank
bool is_real(const ir::Value* v);                                        // f32, f16, bf16
const Shape& shape_of(const ir::Value* v);
bool is_movable(const ir::Value* v);            // of known rank and of elements that kernels know
std::string element_text(const ir::Value* v);   // "planish::f16"
size_t normal_axis(int64_t axis, size_t rank);  // counted from the front

// --- what lowerings write
// The source of an instance: `config` are the members of its Config; the entry calls
// planish::NAME_kernel<Config> with planish::PARAMS.
std::string kernel_source(const std::string& file, const std::string& config, int threads,
                          const std::string& params, const std::string& name);

}  // namespace planish::cuda
