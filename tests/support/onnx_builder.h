// SPDX-License-Identifier: Apache-2.0
// ONNX models made in code, for tests of the importer.
//
//   ModelBuilder m(12);
//   m.input("x", DType::kF32, {"batch", 3}).node("Squeeze", {"x"}, {"y"}, {attr("axes",
//   ints({1}))}).output("y"); EXPECT_EQ(m.text(), ...);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "import/onnx/importer.h"
#include "import/onnx/onnx_ml.pb.h"
#include "ir/graph.h"
#include "ops/op.h"
#include "planish/error.h"
#include "tensor/dtype.h"

namespace planish::testing {

namespace pb = planish::onnx_pb;

using DimSpec = std::variant<int64_t, std::string>;
inline std::vector<int64_t> ints(std::vector<int64_t> values) { return values; }
inline std::vector<float> floats(std::vector<float> values) { return values; }

pb::AttributeProto attr(const std::string& name, int64_t value);
inline pb::AttributeProto attr(const std::string& name, int value) {
  return attr(name, int64_t{value});
}
pb::AttributeProto attr(const std::string& name, float value);
pb::AttributeProto attr(const std::string& name, const char* value);
pb::AttributeProto attr(const std::string& name, const std::vector<int64_t>& values);
pb::AttributeProto attr(const std::string& name, const std::vector<float>& values);
pb::AttributeProto attr(const std::string& name, const std::vector<std::string>& values);
pb::AttributeProto attr(const std::string& name, const pb::TensorProto& value);
pb::AttributeProto attr(const std::string& name, const pb::GraphProto& value);
// An attribute of a function's node that takes the value of the call's attribute `of`.
pb::AttributeProto attr_ref(const std::string& name, const std::string& of,
                            pb::AttributeProto::AttributeType type);

pb::TensorProto float_tensor(const std::string& name, const std::vector<int64_t>& dims,
                             const std::vector<float>& values);
pb::TensorProto int64_tensor(const std::string& name, const std::vector<int64_t>& dims,
                             const std::vector<int64_t>& values);
pb::TensorProto raw_tensor(const std::string& name, DType type, const std::vector<int64_t>& dims,
                           const std::string& bytes);
pb::TensorProto external_tensor(const std::string& name, const std::vector<int64_t>& dims,
                                const std::string& location, const std::string& offset = {},
                                const std::string& length = {});

pb::NodeProto make_node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs,
                        const std::vector<pb::AttributeProto>& attributes = {});
pb::ValueInfoProto make_value(const std::string& name, DType type,
                              const std::vector<DimSpec>& dims);

class GraphBuilder {
 public:
  GraphBuilder& input(const std::string& name, DType type, const std::vector<DimSpec>& dims);
  GraphBuilder& constant(const pb::TensorProto& tensor);
  GraphBuilder& node(const std::string& op, const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs,
                     const std::vector<pb::AttributeProto>& attributes = {});
  GraphBuilder& output(const std::string& name);
  pb::GraphProto& graph() { return *graph_; }
  // The node added last.
  pb::NodeProto& last() { return *graph_->mutable_node(graph_->node_size() - 1); }

 protected:
  explicit GraphBuilder(pb::GraphProto* graph) : graph_(graph) {}
  pb::GraphProto* graph_;
};

class SubgraphBuilder : public GraphBuilder {
 public:
  SubgraphBuilder() : GraphBuilder(&own_) {}

 private:
  pb::GraphProto own_;
};

class ModelBuilder : public GraphBuilder {
 public:
  explicit ModelBuilder(int64_t opset = 27, int64_t ir_version = 13);

  pb::ModelProto& proto() { return model_; }
  ModelBuilder& opset(const std::string& domain, int64_t version);
  pb::FunctionProto& function(const std::string& domain, const std::string& name,
                              const std::vector<std::string>& inputs,
                              const std::vector<std::string>& outputs);
  std::string bytes() const { return model_.SerializeAsString(); }
  std::unique_ptr<ir::Graph> import(const onnx::ImportOptions& options = {}) const;
  // summary() of the imported graph.
  std::string text(const onnx::ImportOptions& options = {}) const;
  // The error of importing; a test failure if there is none.
  Error error(const onnx::ImportOptions& options = {}) const;

 private:
  pb::ModelProto model_;
};

// A line a node, with small constants in place: "y = Squeeze(x, [0 2]) axis=1".
std::string summary(const ir::Graph& graph);
std::unique_ptr<ir::Graph> import_text(const std::string& bytes,
                                       const onnx::ImportOptions& options = {});
Error error_of(const std::function<void()>& call);

}  // namespace planish::testing
