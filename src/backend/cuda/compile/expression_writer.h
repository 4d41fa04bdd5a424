// SPDX-License-Identifier: Apache-2.0
// Pointwise nodes as the text of a functor for kernel templates. See docs/cuda.md for its forms.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"

namespace planish::cuda {

// "f16": the name by which templates know an element type; empty if they do not.
std::string_view element_name(DType type);
// "u16": an element type of the same size, for kernels that move elements as they are.
std::string_view mover_name(DType type);
// "float", "double", "planish::i64" or "planish::u64": what folds and orders of elements are
// computed in; empty for types that are no numbers.
std::string_view number_name(DType type);

// Whether a kernel can compute the node: a row of pointwise.def or a Cast, on types that it knows.
bool is_pointwise(const ir::Node& node);
// The same, for data that are computed as float throughout: what the tail of a root may hold.
bool is_float_pointwise(const ir::Node& node);

// Statements that compute nodes, added in order, from values that are given names.
class ExpressionWriter {
 public:
  // The variable `name` holds the value, converted to what it is computed in (see computed_type).
  void name_value(const ir::Value* value, std::string name);
  // Constants of one element become literals; other values must be named or made by earlier nodes.
  void add(const ir::Node& node);
  const std::string& statements() const { return text_; }
  // A C++ expression of the value.
  std::string value(const ir::Value* value) const;

 private:
  std::string operand(const ir::Value* value, DType type) const;
  void add_row(const ir::Node& node);
  void declare(const ir::Value* value);
  std::unordered_map<const ir::Value*, std::string> names_;
  std::string text_;
  int next_ = 0;
};

// "float" for half types, "bool", "i32", ...
std::string computed_type(DType type);
// A literal of the element in the type that `type` is computed in.
std::string literal(const Tensor& scalar, DType type);

// The functor of a pointwise kernel: one input each of `inputs`, as stored. Body nodes in order.
struct PointwiseFunctor {
  std::string text;                      // struct Expression { ... };
  std::vector<const ir::Value*> inputs;  // of the body, or of the node
};
// `done`: a node of the body that is computed before; its result is one of the inputs.
PointwiseFunctor write_pointwise(const ir::Node& node, const ir::Node* done = nullptr);

// The statements of Tail::apply(float x, const float* in) for what hangs on `root` in `node` (the
// root itself, if the node has no body). `bias` is added first; null: none.
struct TailFunctor {
  std::string text;
  std::vector<const ir::Value*> operands;  // of the body, in the order of `in`
  bool is_empty = false;                   // there is nothing to do
};
TailFunctor write_tail(const ir::Node& node, const ir::Node& root, const ir::Value* bias);

}  // namespace planish::cuda
