// SPDX-License-Identifier: Apache-2.0
// What an importer of one ONNX op works with.
//
//   void import_squeeze(NodeContext& c) {
//     if (c.opset() >= 13) return c.finish();
//     c.finish("Squeeze", {c.input(0), c.constant_i64s(c.attributes().integers("axes", {}),
//     "axes")}, {});
//   }
//   const RegisterImporter kSqueeze("Squeeze", import_squeeze);
//
// An importer writes the node under its newest meaning: usually one node, or several that say the
// same. Ops whose every version reads as the newest need none: a row in simple.def is enough.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "planish/error.h"

namespace planish::onnx {

class NodeContext {
 public:
  virtual ~NodeContext() = default;

  const std::string& name() const { return name_; }  // never empty
  const std::string& op() const { return op_; }      // without the domain
  const std::string& domain() const { return domain_; }
  int64_t opset() const { return opset_; }  // version of the domain that the model imports

  int input_count() const { return static_cast<int>(inputs_.size()); }
  const std::vector<ir::Value*>& inputs() const { return inputs_; }
  ir::Value* input(int i) const;     // null where absent
  ir::Value* required(int i) const;  // throws kInvalidModel where absent
  int output_count() const { return static_cast<int>(wanted_.size()); }
  bool wants(int i) const { return i < output_count() && wanted_[static_cast<size_t>(i)]; }
  // Without those that hold subgraphs.
  const Attributes& attributes() const { return attributes_; }
  Attributes& attributes() { return attributes_; }

  // What is known now: constants, and ranks by running shape rules as far back as needed.
  std::optional<int> rank(ir::Value* value);
  DType dtype(ir::Value* value);  // kUndefined: not known
  // Constant dims of a value, if all are known.
  std::optional<std::vector<int64_t>> dims(ir::Value* value);
  static const Tensor* constant(const ir::Value* value);  // null: not a constant
  static std::optional<std::vector<int64_t>> integers(const ir::Value* value);

  // Nodes that this one is made of; `op` is an OpDef's name.
  ir::Value* emit(const std::string& op, std::vector<ir::Value*> inputs,
                  Attributes attributes = {});
  std::vector<ir::Value*> emit_many(const std::string& op, std::vector<ir::Value*> inputs,
                                    int outputs, Attributes attributes = {});
  // One whose subgraphs, of these names, the caller adds and fills.
  virtual ir::Node* emit_control(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                                 Attributes attributes,
                                 const std::vector<std::string>& subgraphs) = 0;
  // Imports this node's own subgraph as one of `into`, which may lie in a graph below.
  virtual void import_subgraph(const std::string& name, ir::Node* into) = 0;
  ir::Value* constant_of(Tensor tensor, std::string_view stem);
  ir::Value* constant_i64(int64_t value, std::string_view stem);
  ir::Value* constant_i64s(std::span<const int64_t> values, std::string_view stem);
  ir::Value* constant_i64s(std::initializer_list<int64_t> values, std::string_view stem) {
    return constant_i64s(std::span<const int64_t>(values.begin(), values.size()), stem);
  }
  // A scalar of `like`'s type; throws kUnsupported if that is not known.
  ir::Value* constant_like(double value, ir::Value* like, std::string_view stem);
  // A scalar of that type.
  ir::Value* constant_scalar(double value, DType type, std::string_view stem);

  // The value that the node's graph knows by this name. Throws kInvalidModel.
  virtual ir::Value* named(const std::string& name) = 0;

  // The node itself, with all its outputs and subgraphs.
  ir::Node* finish(const std::string& op, std::vector<ir::Value*> inputs, Attributes attributes);
  ir::Node* finish() { return finish(op_name(), inputs_, attributes_); }
  // Output i is `value`.
  virtual void set_output(int i, ir::Value* value) = 0;
  // Output i cannot be made; a node that uses it is unsupported for this reason.
  virtual void drop_output(int i, const std::string& why) = 0;

  // "Conv", "ai.onnx.ml.Scaler"
  std::string op_name() const;
  [[noreturn]] void fail(const std::string& what, std::string hint = {}) const;
  [[noreturn]] void unsupported(const std::string& why) const;
  void require(bool condition, const std::string& what) const {
    if (!condition) fail(what);
  }
  void no_more_inputs_than(int n) const;

 protected:
  virtual ir::Node* add_node(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                             ir::NodeOptions options, bool is_own) = 0;
  virtual ir::Value* add_constant(const std::string& name, Tensor tensor) = 0;
  virtual const Type& known_type(ir::Value* value) = 0;

  std::string name_, op_, domain_;
  int64_t opset_ = 0;
  std::vector<ir::Value*> inputs_;
  std::vector<bool> wanted_;
  Attributes attributes_;
};

using ImportFunction = void (*)(NodeContext&);

class RegisterImporter {
 public:
  // Twice for one op is a bug: throws kInternal.
  RegisterImporter(const char* op, ImportFunction run, const char* domain = "");
};

// Null if the op has no importer and no row in simple.def.
ImportFunction find_importer(const std::string& domain, const std::string& op);

}  // namespace planish::onnx
