// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/model_importer.h"

#include <algorithm>
#include <utility>

#include "base/str.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

constexpr int64_t kNewestIr = 13;
constexpr int64_t kNewestOpset = 27;

[[noreturn]] void fail_model(const std::string& what, std::string node = {},
                             std::string hint = {}) {
  throw Error(ErrorCode::kInvalidModel, what, std::move(node), std::move(hint));
}

// Whether the bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
    if (more == 0 || text.size() - i < static_cast<size_t>(more)) return false;
    uint32_t code = lead & (0x3fu >> more);
    for (int k = 0; k < more; ++k, ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if ((byte & 0xc0) != 0x80) return false;
      code = code << 6 | (byte & 0x3fu);
    }
    const uint32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

// Names of inputs and outputs are what callers say.
void check_name(const std::string& name, const char* what) {
  if (name.empty()) fail_model(concat(what, " of the graph has no name"));
  if (!is_utf8(name)) fail_model(concat("the name of ", what, " of the graph is not valid UTF-8"));
}

std::string quote(const std::string& name) { return concat("\"", name, "\""); }

Type without_shape(Type type) {
  type.shape.reset();
  return type;
}

}  // namespace

std::string plain_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

OpsetVersions read_opsets(const google::protobuf::RepeatedPtrField<pb::OperatorSetIdProto>& imports,
                          int64_t ir_version, const std::string& what) {
  OpsetVersions out;
  for (const auto& import : imports) {
    int64_t& version = out[plain_domain(import.domain())];
    version = std::max<int64_t>(version, import.version());
  }
  if (ir_version < 3) out.emplace("", 1);
  const auto standard = out.find("");
  if (standard == out.end()) return out;
  if (standard->second < 1)
    fail_model(
        concat(what, ": expected an opset from 1 to ", kNewestOpset, ", got ", standard->second));
  if (standard->second > kNewestOpset)
    throw Error(
        ErrorCode::kUnsupported,
        concat(what, ": expected an opset of at most ", kNewestOpset, ", got ", standard->second),
        {}, "export the model with an older opset");
  return out;
}

ModelImporter::ModelImporter(pb::ModelProto& model, const ImportOptions& options,
                             std::unique_ptr<DataFolder> folder)
    : model_(model), options_(options), tensors_(std::move(folder), options.limits) {}

std::unique_ptr<ir::Graph> ModelImporter::run() {
  if (!model_.has_graph()) fail_model("the model has no graph", {}, "is it an ONNX file?");
  if (model_.ir_version() > kNewestIr)
    throw Error(ErrorCode::kUnsupported, concat("expected an ONNX IR version of at most ",
                                                kNewestIr, ", got ", model_.ir_version()));
  if (model_.ir_version() < 1)
    fail_model(
        concat("expected an ONNX IR version from 1 to ", kNewestIr, ", got ", model_.ir_version()));
  frame_.opsets = read_opsets(model_.opset_import(), model_.ir_version(), "the model");
  read_functions();

  auto graph = std::make_unique<ir::Graph>();
  pb::GraphProto& proto = *model_.mutable_graph();
  graph->set_name(proto.name());
  Scope scope{.graph = graph.get(), .frame = &frame_};
  const std::set<std::string> constants = constant_names(proto, true);
  import_inputs(proto, scope, constants);
  import_constants(proto, scope, constants);
  import_nodes(*proto.mutable_node(), scope, "the graph");
  if (!refusals_.empty()) report_refusals();
  import_outputs(proto, scope);
  graph->erase_unused_constants();
  add_metadata(*graph);
  return graph;
}

void ModelImporter::read_functions() {
  for (auto& function : *model_.mutable_functions()) {
    const std::string key =
        concat(plain_domain(function.domain()), ":", function.name(), ":", function.overload());
    if (!functions_.emplace(key, &function).second)
      fail_model(concat("function ", quote(function.name()), " of domain ",
                        quote(function.domain()), " is defined twice"));
  }
}

void ModelImporter::add_metadata(ir::Graph& graph) const {
  auto& data = graph.metadata();
  for (const auto& entry : model_.metadata_props()) data[entry.key()] = entry.value();
  auto add = [&data](const char* key, const std::string& value) {
    if (!value.empty()) data.emplace(key, value);
  };
  add("onnx.producer_name", model_.producer_name());
  add("onnx.producer_version", model_.producer_version());
  add("onnx.domain", model_.domain());
  add("onnx.doc_string", model_.doc_string());
  add("onnx.ir_version", concat(model_.ir_version()));
  if (model_.has_model_version()) add("onnx.model_version", concat(model_.model_version()));
  std::vector<std::string> opsets;
  for (const auto& [domain, version] : frame_.opsets)
    opsets.push_back(concat(domain.empty() ? "ai.onnx" : domain, ":", version));
  add("onnx.opset", join(opsets, ","));
}

std::set<std::string> ModelImporter::constant_names(const pb::GraphProto& proto,
                                                    bool is_outermost) const {
  std::set<std::string> names;
  auto add = [&names](const std::string& name) {
    if (name.empty()) fail_model("an initialiser has no name");
    if (!names.insert(name).second) fail_model(concat("there are two initialisers ", quote(name)));
  };
  for (const auto& tensor : proto.initializer()) add(tensor.name());
  for (const auto& tensor : proto.sparse_initializer()) add(tensor.values().name());
  if (!is_outermost) return names;
  for (const auto& input : proto.input())
    if (options_.keep_inputs.count(input.name()) != 0 || options_.shapes.count(input.name()) != 0)
      names.erase(input.name());
  return names;
}

void ModelImporter::import_inputs(const pb::GraphProto& proto, Scope& scope,
                                  const std::set<std::string>& constants) {
  DimNames names(proto);
  for (const auto& input : proto.input()) {
    if (constants.count(input.name()) != 0) continue;
    check_name(input.name(), "an input");
    const Type type = to_type(input.type(), input.name(), &names);
    if (type.kind == Type::Kind::kUnknown)
      fail_model(concat("input ", quote(input.name()), " has no type"));
    bind(scope, input.name(), scope.graph->add_input(input.name(), type),
         "as an input of the graph");
  }
  apply_shapes(proto, scope);
}

void ModelImporter::apply_shapes(const pb::GraphProto& proto, Scope& scope) const {
  std::map<std::string, Dim> replaced;
  for (const auto& [name, shape] : options_.shapes) {
    const auto it = scope.values.find(name);
    if (it == scope.values.end()) {
      std::vector<std::string> known;
      for (const auto& input : proto.input()) known.push_back(quote(input.name()));
      throw Error(ErrorCode::kInvalidArgument,
                  concat("there is no input ", quote(name), "; the inputs are ", join(known)));
    }
    Type type = it->second->type();
    if (!type.is_tensor())
      throw Error(ErrorCode::kInvalidArgument,
                  concat("input ", quote(name), " is ", type.to_string(), " and has no shape"));
    if (type.shape && type.shape->size() != shape.size())
      throw Error(ErrorCode::kInvalidArgument,
                  concat("input ", quote(name), ": expected a shape of rank ", type.shape->size(),
                         " (", to_string(*type.shape), "), got ", to_string(shape)));
    for (size_t i = 0; type.shape && i < shape.size(); ++i)
      if ((*type.shape)[i].is_symbol()) replaced.emplace((*type.shape)[i].symbol_name(), shape[i]);
    type.shape = shape;
    it->second->set_type(std::move(type));
  }
  if (replaced.empty()) return;
  for (ir::Value* input : scope.graph->inputs()) {
    Type type = input->type();
    if (options_.shapes.count(input->name()) != 0 || !type.shape) continue;
    for (Dim& dim : *type.shape) dim = dim.substitute(replaced);
    input->set_type(std::move(type));
  }
}

void ModelImporter::import_constants(pb::GraphProto& proto, Scope& scope,
                                     const std::set<std::string>& names) {
  auto add = [&](const std::string& name, auto& message) {
    if (names.count(name) == 0) return;
    Tensor tensor = tensors_.read(message, concat("initialiser ", quote(name)));
    bind(scope, name, scope.graph->add_constant(scope.frame->prefix + name, std::move(tensor)),
         "as an initialiser");
  };
  for (auto& tensor : *proto.mutable_initializer()) add(tensor.name(), tensor);
  for (auto& tensor : *proto.mutable_sparse_initializer()) add(tensor.values().name(), tensor);
}

void ModelImporter::import_outputs(const pb::GraphProto& proto, Scope& scope) {
  std::set<std::string> names;
  for (const auto& output : proto.output()) {
    if (scope.parent == nullptr) check_name(output.name(), "an output");
    if (scope.parent == nullptr && !names.insert(output.name()).second)
      fail_model(concat("there are two outputs ", quote(output.name())));
    ir::Value* value = look_up(scope, output.name(), "the graph's outputs");
    if (value == nullptr)
      fail_model(concat("output ", quote(output.name()), " is an absent input"));
    scope.graph->add_output(value, output.name());
  }
}

void ModelImporter::import_subgraph(pb::GraphProto& proto, const Scope& outer, ir::Graph* graph) {
  Scope scope{
      .parent = &outer, .graph = graph, .frame = outer.frame, .depth = deeper(outer, proto.name())};
  graph->set_name(proto.name());
  const std::set<std::string> constants = constant_names(proto, false);
  for (const auto& input : proto.input()) {
    if (constants.count(input.name()) != 0) continue;
    // The declared shape may be that of one iteration only: shape inference says what holds for
    // all.
    Type type = without_shape(to_type(input.type(), input.name(), nullptr));
    bind(scope, input.name(), graph->add_input(scope.frame->prefix + input.name(), std::move(type)),
         "as an input of the subgraph");
  }
  import_constants(proto, scope, constants);
  import_nodes(*proto.mutable_node(), scope, concat("subgraph ", quote(proto.name())));
  import_outputs(proto, scope);
}

void ModelImporter::import_nodes(google::protobuf::RepeatedPtrField<pb::NodeProto>& nodes,
                                 Scope& scope, const std::string& what) {
  for (const int i : node_order(nodes, what)) import_node(*nodes.Mutable(i), scope);
}

void ModelImporter::bind(Scope& scope, const std::string& name, ir::Value* value,
                         const std::string& maker) {
  if (!scope.values.emplace(name, value).second)
    fail_model(concat("value ", quote(name), " is made twice, the second time ", maker));
}

ir::Value* ModelImporter::look_up(const Scope& scope, const std::string& name,
                                  const std::string& user) const {
  for (const Scope* s = &scope; s != nullptr; s = s->parent) {
    const auto it = s->values.find(name);
    if (it == s->values.end()) continue;
    const auto why = dropped_.find(it->second);
    if (why != dropped_.end())
      throw Error(ErrorCode::kUnsupported,
                  concat("value ", quote(name), " cannot be made: ", why->second));
    return it->second;
  }
  fail_model(
      concat(user, ": value ", quote(name), " is not made by any input, initialiser or node"));
}

void ModelImporter::spend_node(const std::string& node) {
  if (++node_count_ > options_.limits.nodes)
    throw Error(ErrorCode::kBudgetExceeded,
                concat("the model has more than ", options_.limits.nodes,
                       " nodes with its functions expanded"),
                node, "raise max_model_nodes if this is meant");
}

int ModelImporter::deeper(const Scope& scope, const std::string& name) const {
  if (scope.depth >= options_.limits.nesting)
    throw Error(ErrorCode::kBudgetExceeded,
                concat("subgraphs and function calls nest more than ", options_.limits.nesting,
                       " deep at \"", name, "\""),
                {}, "raise max_nesting if this is meant");
  return scope.depth + 1;
}

void ModelImporter::refuse(const pb::NodeProto& node, const Scope& scope, const std::string& why) {
  const std::string domain = plain_domain(node.domain());
  const auto opset = scope.frame->opsets.find(domain);
  refusals_.push_back({scope.frame->prefix + node_name(node), node.op_type(),
                       domain.empty() ? "ai.onnx" : domain, why,
                       opset == scope.frame->opsets.end() ? 0 : opset->second});
}

void ModelImporter::poison_outputs(const pb::NodeProto& node, Scope& scope) {
  for (const std::string& output : node.output()) {
    if (output.empty() || scope.values.count(output) != 0) continue;
    ir::Value* value = scope.graph->add_constant("", Tensor::scalar_f32(0));
    value->set_type({});
    poison_.insert(value);
    scope.values.emplace(output, value);
  }
}

void ModelImporter::report_refusals() const {
  constexpr size_t kMost = 1000;
  std::string text = refusals_.size() == 1 ? "1 node is not supported"
                                           : concat(refusals_.size(), " nodes are not supported");
  for (size_t i = 0; i < std::min(kMost, refusals_.size()); ++i) {
    const Refusal& r = refusals_[i];
    text += concat("\n  node ", quote(r.node), " (", r.domain, " ", r.op, ", opset ", r.opset,
                   "): ", r.why);
  }
  if (refusals_.size() > kMost) text += concat("\n  and ", refusals_.size() - kMost, " more");
  throw Error(ErrorCode::kUnsupported, text, refusals_[0].node);
}

}  // namespace planish::onnx
