// SPDX-License-Identifier: Apache-2.0
// One import: from a parsed model to a graph.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "import/onnx/importer.h"
#include "import/onnx/lazy_types.h"
#include "import/onnx/op_importer.h"
#include "import/onnx/order.h"
#include "import/onnx/proto.h"
#include "import/onnx/tensors.h"
#include "import/onnx/types.h"

namespace planish::onnx {

// Versions of the domains; "ai.onnx" is "".
using OpsetVersions = std::map<std::string, int64_t>;

// The model itself, or one use of a local function.
struct Frame {
  OpsetVersions opsets;
  std::string prefix;  // of the names of nodes and values: "call/"
  const pb::FunctionProto* function = nullptr;
  const Frame* caller = nullptr;
  // What ref_attr_name refers to.
  std::map<std::string, pb::AttributeProto*, std::less<>> attributes;
};

// Names of one ONNX graph or function body.
struct Scope {
  const Scope* parent = nullptr;  // the enclosing graph: its values may be captured
  ir::Graph* graph = nullptr;
  const Frame* frame = nullptr;
  int depth = 0;                                       // of subgraphs and function calls
  std::unordered_map<std::string, ir::Value*> values;  // null: an absent optional input
};

class ModelImporter {
 public:
  ModelImporter(pb::ModelProto& model, const ImportOptions& options,
                std::unique_ptr<DataFolder> folder);
  std::unique_ptr<ir::Graph> run();

 private:
  friend class ImportedNode;

  struct Refusal {
    std::string node, op, domain, why;
    int64_t opset = 0;
  };

  void read_functions();
  void add_metadata(ir::Graph& graph) const;

  void import_inputs(const pb::GraphProto& proto, Scope& scope,
                     const std::set<std::string>& constants);
  void apply_shapes(const pb::GraphProto& proto, Scope& scope) const;
  std::set<std::string> constant_names(const pb::GraphProto& proto, bool is_outermost) const;
  void import_constants(pb::GraphProto& proto, Scope& scope, const std::set<std::string>& names);
  void import_outputs(const pb::GraphProto& proto, Scope& scope);
  void import_subgraph(pb::GraphProto& proto, const Scope& outer, ir::Graph* graph);
  void import_nodes(google::protobuf::RepeatedPtrField<pb::NodeProto>& nodes, Scope& scope,
                    const std::string& what);

  void import_node(pb::NodeProto& node, Scope& scope);
  void import_known(pb::NodeProto& node, Scope& scope, const std::string& domain, int64_t opset);
  void call_function(pb::NodeProto& node, pb::FunctionProto& function, Scope& scope);
  pb::FunctionProto* find_function(const pb::NodeProto& node, const std::string& domain) const;
  // Null if the reference has no value at this call.
  static pb::AttributeProto* resolve(pb::AttributeProto& attribute, const Frame& frame);

  // A node that uses a value of a refused one is not imported, but still asked for.
  void check_is_known(const pb::NodeProto& node, const Scope& scope);
  void refuse(const pb::NodeProto& node, const Scope& scope, const std::string& why);
  void poison_outputs(const pb::NodeProto& node, Scope& scope);
  bool is_poisoned(const ir::Value* value) const { return poison_.count(value) != 0; }
  [[noreturn]] void report_refusals() const;

  void bind(Scope& scope, const std::string& name, ir::Value* value, const std::string& maker);
  // Throws kInvalidModel if there is no such value.
  ir::Value* look_up(const Scope& scope, const std::string& name, const std::string& user) const;
  void spend_node(const std::string& node);
  // One more than the scope's; throws kBudgetExceeded.
  int deeper(const Scope& scope, const std::string& name) const;

  pb::ModelProto& model_;
  const ImportOptions& options_;
  TensorReader tensors_;
  LazyTypes types_;
  Frame frame_;
  std::map<std::string, pb::FunctionProto*> functions_;
  int64_t node_count_ = 0;
  std::vector<Refusal> refusals_;
  std::unordered_set<const ir::Value*> poison_;
  std::unordered_map<const ir::Value*, std::string> dropped_;  // why a value cannot be made
};

// Reads opset_import: duplicates must not contradict each other. Throws kInvalidModel,
// kUnsupported.
OpsetVersions read_opsets(const google::protobuf::RepeatedPtrField<pb::OperatorSetIdProto>& imports,
                          int64_t ir_version, const std::string& what);
std::string plain_domain(const std::string& domain);  // "ai.onnx" is ""

}  // namespace planish::onnx
