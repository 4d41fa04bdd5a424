// SPDX-License-Identifier: Apache-2.0
// The part of ModelImporter that turns one node into nodes.
#include <algorithm>
#include <functional>
#include <utility>

#include "base/str.h"
#include "import/onnx/attributes.h"
#include "import/onnx/model_importer.h"
#include "ops/op.h"
#include "planish/error.h"

namespace planish::onnx {

// A node of the model while its importer runs.
class ImportedNode final : public NodeContext {
 public:
  ImportedNode(ModelImporter& importer, pb::NodeProto& proto, Scope& scope, std::string domain,
               int64_t opset)
      : importer_(importer), proto_(proto), scope_(scope) {
    name_ = scope.frame->prefix + node_name(proto);
    op_ = proto.op_type();
    domain_ = std::move(domain);
    opset_ = opset;
    for (const std::string& output : proto.output()) wanted_.push_back(!output.empty());
    made_.resize(wanted_.size());
  }

  // False if an input comes from a refused node.
  bool read_inputs() {
    const std::string user = concat("node \"", name_, "\"");
    for (const std::string& input : proto_.input()) {
      ir::Value* value = input.empty() ? nullptr : importer_.look_up(scope_, input, user);
      if (importer_.is_poisoned(value)) return false;
      inputs_.push_back(value);
    }
    while (!inputs_.empty() && inputs_.back() == nullptr) inputs_.pop_back();
    return true;
  }

  void read_attributes() {
    for (auto& attribute : *proto_.mutable_attribute()) {
      const std::string what = concat("node \"", name_, "\", attribute \"", attribute.name(), "\"");
      if (attribute.name().empty()) fail("an attribute has no name");
      pb::AttributeProto* value = ModelImporter::resolve(attribute, *scope_.frame);
      if (value == nullptr) continue;
      if (attributes_.has(attribute.name()) || subgraph(attribute.name()) != nullptr)
        fail(concat("attribute \"", attribute.name(), "\" is there twice"));
      if (attribute_type(*value, what) == pb::AttributeProto::GRAPH) {
        if (value != &attribute) unsupported("a graph is handed to a function as an attribute");
        subgraphs_.emplace_back(attribute.name(), value->mutable_g());
      } else {
        attributes_.set(attribute.name(), to_attribute(*value, what, importer_.tensors_));
      }
    }
  }

  void set_output(int i, ir::Value* value) override {
    if (!wants(i)) return;
    made_[static_cast<size_t>(i)] = value;
    const bool is_mine = mine_.count(value) != 0;
    if (is_mine && named_.insert(value).second)
      scope_.graph->rename(value, scope_.frame->prefix + proto_.output(i));
  }

  void drop_output(int i, const std::string& why) override {
    if (!wants(i)) return;
    ir::Value* value = scope_.graph->add_constant("", Tensor::scalar_f32(0));
    importer_.dropped_.emplace(value, why);
    made_[static_cast<size_t>(i)] = value;
  }

  void bind_outputs() {
    for (int i = 0; i < output_count(); ++i) {
      if (!wants(i)) continue;
      ir::Value* value = made_[static_cast<size_t>(i)];
      if (value == nullptr) fail(concat("the op has no output ", i));
      importer_.bind(scope_, proto_.output(i), value, concat("by node \"", name_, "\""));
    }
  }

  ir::Node* emit_control(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                         Attributes attributes,
                         const std::vector<std::string>& subgraphs) override {
    ir::NodeOptions options{.name = name_, .attributes = std::move(attributes)};
    return make_node(op, std::move(inputs), outputs, std::move(options), subgraphs);
  }

  ir::Value* named(const std::string& name) override {
    ir::Value* value = importer_.look_up(scope_, name, concat("node \"", name_, "\""));
    if (value == nullptr || importer_.is_poisoned(value)) fail(concat("\"", name, "\" is absent"));
    return value;
  }

  void import_subgraph(const std::string& name, ir::Node* into) override {
    pb::GraphProto* graph = subgraph(name);
    if (graph == nullptr) fail(concat("subgraph \"", name, "\" is missing"));
    importer_.import_subgraph(*graph, scope_, into->add_subgraph(name));
  }

 protected:
  ir::Node* add_node(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                     ir::NodeOptions options, bool is_own) override {
    std::vector<std::string> names;
    if (is_own)
      for (const auto& [name, graph] : subgraphs_) names.push_back(name);
    ir::Node* node = make_node(op, std::move(inputs), outputs, std::move(options), names);
    for (const std::string& name : names) import_subgraph(name, node);
    return node;
  }

  ir::Value* add_constant(const std::string& name, Tensor tensor) override {
    ir::Value* value = scope_.graph->add_constant(name, std::move(tensor));
    mine_.insert(value);
    return value;
  }

  const Type& known_type(ir::Value* value) override { return importer_.types_.of(value); }

 private:
  ir::Node* make_node(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                      ir::NodeOptions options, const std::vector<std::string>& subgraphs) {
    const OpDef* def = find_op(op);
    if (def == nullptr) unsupported(concat("the op ", op, " is not implemented"));
    while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
    check_node(*def, name_, options.attributes, subgraphs, static_cast<int>(inputs.size()),
               outputs);
    ir::Node* node = scope_.graph->add_node(op, std::move(inputs), outputs, std::move(options));
    node->add_origins({name_});
    for (const ir::Value* out : node->outputs()) mine_.insert(out);
    return node;
  }

  pb::GraphProto* subgraph(const std::string& name) const {
    for (const auto& [key, graph] : subgraphs_)
      if (key == name) return graph;
    return nullptr;
  }

  ModelImporter& importer_;
  pb::NodeProto& proto_;
  Scope& scope_;
  std::vector<std::pair<std::string, pb::GraphProto*>> subgraphs_;
  std::vector<ir::Value*> made_;
  std::unordered_set<const ir::Value*> mine_;
  std::unordered_set<const ir::Value*> named_;
};

void ModelImporter::import_node(pb::NodeProto& node, Scope& scope) {
  const std::string name = scope.frame->prefix + node_name(node);
  spend_node(name);
  const std::string domain = plain_domain(node.domain());
  const size_t refusals = refusals_.size();
  try {
    const auto version = scope.frame->opsets.find(domain);
    const int64_t opset = version == scope.frame->opsets.end() ? 0 : version->second;
    const bool is_standard = domain.empty() && find_importer(domain, node.op_type()) != nullptr;
    pb::FunctionProto* function = is_standard ? nullptr : find_function(node, domain);
    if (function != nullptr)
      call_function(node, *function, scope);
    else
      import_known(node, scope, domain, opset);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kUnsupported) {
      if (refusals_.size() == refusals) refuse(node, scope, e.what());
    } else {
      const std::string where = concat(node.op_type(), " node \"", name, "\": ");
      const bool says_node =
          !e.node().empty() || std::string_view(e.what()).find(name) != std::string_view::npos;
      throw Error(e.code(), says_node ? e.what() : where + e.what(),
                  e.node().empty() ? name : e.node(), e.hint());
    }
  }
  if (refusals_.size() != refusals) poison_outputs(node, scope);
}

void ModelImporter::import_known(pb::NodeProto& node, Scope& scope, const std::string& domain,
                                 int64_t opset) {
  if (domain.empty() && opset == 0)
    throw Error(ErrorCode::kInvalidModel, "the model imports no opset of ai.onnx");
  const ImportFunction run = find_importer(domain, node.op_type());
  if (run == nullptr)
    throw Error(ErrorCode::kUnsupported, domain.empty()
                                             ? "ONNX has no such op"
                                             : "the op's domain has no such op in Planish");
  ImportedNode context(*this, node, scope, domain, opset);
  if (!context.read_inputs()) {
    check_is_known(node, scope);
    poison_outputs(node, scope);
    return;
  }
  context.read_attributes();
  run(context);
  context.bind_outputs();
}

void ModelImporter::check_is_known(const pb::NodeProto& node, const Scope& scope) {
  const std::string domain = plain_domain(node.domain());
  if (find_importer(domain, node.op_type()) == nullptr && find_function(node, domain) == nullptr)
    refuse(node, scope, "there is no such op");
  for (const auto& attribute : node.attribute())
    for (const auto& inner : attribute.g().node()) check_is_known(inner, scope);
}

pb::FunctionProto* ModelImporter::find_function(const pb::NodeProto& node,
                                                const std::string& domain) const {
  const auto it = functions_.find(concat(domain, ":", node.op_type(), ":", node.overload()));
  return it == functions_.end() ? nullptr : it->second;
}

pb::AttributeProto* ModelImporter::resolve(pb::AttributeProto& attribute, const Frame& frame) {
  if (attribute.ref_attr_name().empty()) return &attribute;
  if (frame.function == nullptr)
    throw Error(ErrorCode::kInvalidModel,
                concat("attribute \"", attribute.name(),
                       "\" refers to a function's attribute outside of a function"));
  const auto it = frame.attributes.find(attribute.ref_attr_name());
  return it == frame.attributes.end() ? nullptr : it->second;
}

void ModelImporter::call_function(pb::NodeProto& node, pb::FunctionProto& function, Scope& scope) {
  const std::string name = scope.frame->prefix + node_name(node);
  for (const Frame* f = scope.frame; f != nullptr; f = f->caller)
    if (f->function == &function)
      throw Error(ErrorCode::kInvalidModel,
                  concat("function \"", function.name(), "\" calls itself"), name);
  if (node.input_size() > function.input_size() || node.output_size() > function.output_size())
    throw Error(ErrorCode::kInvalidModel,
                concat("function \"", function.name(), "\": expected at most ",
                       function.input_size(), " inputs and ", function.output_size(),
                       " outputs, got ", node.input_size(), " and ", node.output_size()),
                name);
  Frame frame{.prefix = name + "/", .function = &function, .caller = scope.frame};
  frame.opsets = read_opsets(function.opset_import(), model_.ir_version(),
                             concat("function \"", function.name(), "\""));
  for (const auto& [domain, version] : frame_.opsets) frame.opsets.emplace(domain, version);
  for (auto& attribute : *function.mutable_attribute_proto())
    frame.attributes[attribute.name()] = &attribute;
  for (auto& attribute : *node.mutable_attribute())
    if (pb::AttributeProto* value = resolve(attribute, *scope.frame))
      frame.attributes[attribute.name()] = value;

  Scope body{.graph = scope.graph, .frame = &frame, .depth = deeper(scope, name)};
  for (int i = 0; i < function.input_size(); ++i) {
    const bool is_given = i < node.input_size() && !node.input(i).empty();
    ir::Value* value =
        is_given ? look_up(scope, node.input(i), concat("node \"", name, "\"")) : nullptr;
    bind(body, function.input(i), value, "as an input of the function");
  }
  import_nodes(*function.mutable_node(), body, concat("function \"", function.name(), "\""));
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    ir::Value* value = look_up(body, function.output(i),
                               concat("the outputs of function \"", function.name(), "\""));
    if (value == nullptr)
      throw Error(ErrorCode::kInvalidModel,
                  concat("output ", i, " of function \"", function.name(), "\" is an absent input"),
                  name);
    bind(scope, node.output(i), value, concat("by node \"", name, "\""));
    const bool is_inner =
        std::string_view(value->name()).substr(0, frame.prefix.size()) == frame.prefix;
    if (value->graph() == scope.graph && is_inner)
      scope.graph->rename(value, scope.frame->prefix + node.output(i));
  }
}

}  // namespace planish::onnx
