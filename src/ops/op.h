// SPDX-License-Identifier: Apache-2.0
// An operator: its attributes, its shape rule and its portable kernel, registered by one object.
//
//   // Concat: joins tensors along an axis.  https://onnx.ai/onnx/operators/onnx__Concat.html
//   void infer_concat(InferContext& c) { ... c.set_output(0, Type::tensor(c.dtype(0), shape)); }
//   void run_concat(KernelContext& c)  { ... Tensor& out = c.output(0); ... }
//   const RegisterOp kConcat({.name = "Concat",
//                             .attributes = {required("axis", AttrKind::kInt)},
//                             .inputs = {1, kAnyNumber}, .outputs = {1, 1},
//                             .infer = infer_concat, .run = run_concat});
//
// The meaning of an op is ONNX's newest (the importer rewrites older opsets). The shape rule serves
// twice: at build time over symbolic dims, and at run time over concrete ones, where the executor
// calls it to allocate a kernel's outputs. So the rule is where shapes are checked and computed,
// and a kernel only fills outputs, except those whose size depends on data: there the rule gives a
// fresh_dim() and the kernel calls allocate().
//
// Neither half knows the graph: an op depends on tensors and attributes only, and is linked into
// the runtime whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "tensor/attributes.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace planish {

// What is known of an integer tensor's elements before run time (rank 0 or 1, at most 1024 of
// them); nullopt: that element is unknown.
using Contents = std::vector<std::optional<Dim>>;

class InferContext {
 public:
  virtual ~InferContext() = default;

  const Attributes& attributes() const { return *attributes_; }
  const std::string& node() const { return *node_; }
  const std::string& op() const { return *op_; }

  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int i) const {
    return i < input_count() && inputs_[static_cast<size_t>(i)] != nullptr;
  }
  // Throws kInvalidModel if the input is absent.
  const Type& input(int i) const;
  DType dtype(int i) const { return input(i).dtype; }
  bool has_rank(int i) const { return has_input(i) && input(i).has_rank(); }
  // Require has_rank(i).
  const Shape& shape(int i) const;
  int rank(int i) const { return static_cast<int>(shape(i).size()); }

  // The whole value of input i if it is known now (a constant; at run time: always), else null.
  const Tensor* constant(int i) const;
  // The elements of integer input i as dims, from a constant or from shape arithmetic; nullopt if
  // nothing is known of it.
  std::optional<Contents> contents(int i) const;
  // Like contents, but only if every element is a known integer: for axes, pads, sizes.
  std::optional<std::vector<int64_t>> integers(int i) const;

  int output_count() const { return static_cast<int>(outputs_.size()); }
  // Whether anybody wants output i (an ONNX output with an empty name is not wanted).
  bool wants_output(int i) const { return i < output_count() && wanted_[static_cast<size_t>(i)]; }
  void set_output(int i, Type type);
  void set_contents(int i, Contents contents);

  // A dim that is known at run time only: a symbol of its own (non-negative).
  virtual Dim fresh_dim() = 0;
  // Types of the outputs of the named subgraph, given its inputs' types. Subgraphs see the values
  // of the enclosing graph. Empty if the subgraph does not exist.
  virtual std::vector<Type> infer_subgraph(std::string_view name,
                                           const std::vector<Type>& inputs) = 0;

  // Throws kInvalidShape / kInvalidType / kInvalidModel with the node and the op in the message.
  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kInvalidShape,
                         std::string hint = {}) const;
  void require(bool condition, const std::string& what) const {
    if (!condition) fail(what);
  }
  // Maps -rank .. rank-1 onto 0 .. rank-1, else fails.
  int normalize_axis(int64_t axis, int rank) const;

 protected:
  // Filled by whoever drives the rule.
  const Attributes* attributes_ = nullptr;
  const std::string* node_ = nullptr;
  const std::string* op_ = nullptr;
  std::vector<const Type*> inputs_;
  std::vector<const Tensor*> constants_;   // parallel to inputs_
  std::vector<const Contents*> contents_;  // parallel to inputs_
  std::vector<bool> wanted_;               // parallel to outputs_
  std::vector<Type> outputs_;
  std::vector<std::optional<Contents>> output_contents_;
};

class KernelContext {
 public:
  virtual ~KernelContext() = default;

  const Attributes& attributes() const { return *attributes_; }
  const std::string& node() const { return *node_; }
  const std::string& op() const { return *op_; }

  int input_count() const { return static_cast<int>(inputs_.size()); }
  // False for an ONNX input that is absent. An absent *optional* value is a present, empty datum.
  bool has_input(int i) const {
    return i < input_count() && inputs_[static_cast<size_t>(i)] != nullptr;
  }
  const Datum& datum(int i) const;
  const Tensor& input(int i) const { return datum(i).tensor(); }

  int output_count() const { return static_cast<int>(outputs_.size()); }
  bool wants_output(int i) const {
    return i < output_count() && outputs_[static_cast<size_t>(i)] != nullptr;
  }
  // The tensor that the shape rule allocated. Its bytes are uninitialised.
  Tensor& output(int i);
  // Allocates an output whose size depends on data; charged to the budget.
  Tensor& allocate(int i, DType type, Dims dims);
  // Hands over a finished datum. Where the shape rule placed a tensor, the contents are copied into
  // it, since its memory may be an arena's or the caller's.
  void set_output(int i, Datum datum);

  // Runs the named subgraph once. Captured values are bound already. What it returns owns its
  // memory: a later run does not touch it.
  virtual std::vector<Datum> run_subgraph(std::string_view name, std::vector<Datum> inputs) = 0;
  virtual bool has_subgraph(std::string_view name) const = 0;
  // Types of the subgraph's outputs as far as they were known before the run; empty: nothing is.
  // A loop of no iterations makes its outputs from them.
  virtual std::vector<Type> subgraph_types(std::string_view) const { return {}; }
  RunBudget& budget() { return *budget_; }

  // Throws kInvalidValue with the node and the op in the message.
  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kInvalidValue,
                         std::string hint = {}) const;
  void require(bool condition, const std::string& what) const {
    if (!condition) fail(what);
  }
  int normalize_axis(int64_t axis, int rank) const;

 protected:
  const Attributes* attributes_ = nullptr;
  const std::string* node_ = nullptr;
  const std::string* op_ = nullptr;
  std::vector<const Datum*> inputs_;
  std::vector<Datum*> outputs_;  // null: not wanted
  RunBudget* budget_ = nullptr;
};

enum class AttrKind : uint8_t {
  kInt,
  kFloat,
  kString,
  kInts,
  kFloats,
  kStrings,
  kTensor,
  kTensors,
  kType
};

struct AttributeSpec {
  std::string name;
  AttrKind kind;
  bool is_required = false;
};
inline AttributeSpec required(std::string name, AttrKind kind) {
  return {std::move(name), kind, true};
}
inline AttributeSpec optional(std::string name, AttrKind kind) {
  return {std::move(name), kind, false};
}

inline constexpr int kAnyNumber = INT32_MAX;
struct Arity {
  int min = 1;
  int max = 1;
};

// How far two right implementations may lie apart, relative to the largest magnitude of the output,
// in float32; scaled by the format's epsilon for narrower types. 0: the same bits.
struct Tolerance {
  double relative = 0;
};

struct OpDef {
  std::string name;  // ONNX's for ai.onnx; "domain.Name" for others
  std::vector<AttributeSpec> attributes;
  std::vector<std::string> subgraphs;           // "then_branch", "else_branch"
  std::vector<std::string> optional_subgraphs;  // may be left out
  Arity inputs;
  Arity outputs;
  void (*infer)(InferContext&) = nullptr;
  void (*run)(KernelContext&) = nullptr;
  Tolerance tolerance;
  bool is_pointwise = false;  // each element of the only output depends on those of the inputs at
                              // the same index, inputs being broadcast as numpy does
  bool is_pure =
      true;  // false: random or otherwise not a function of its inputs; never folded or merged
  std::string source;  // specification page
};

class RegisterOp {
 public:
  explicit RegisterOp(OpDef def);  // registering a name twice is a bug: throws kInternal
};

// Null if there is no such op. Valid for the life of the process.
const OpDef* find_op(std::string_view name);
// Throws kUnsupported.
const OpDef& get_op(std::string_view name);
std::vector<const OpDef*> all_ops();  // sorted by name

// Checks number of inputs and outputs, attribute names, kinds and required ones, and subgraph
// names. Throws kInvalidModel naming the node.
void check_node(const OpDef& op, const std::string& node, const Attributes& attributes,
                const std::vector<std::string>& subgraphs, int inputs, int outputs);

}  // namespace planish
