// SPDX-License-Identifier: Apache-2.0
// A network made by hand, node by node.
//
//   planish::Network net("classifier");
//   auto x = net.add_input("x", 1 /* float32 */, {"batch", "64"});
//   auto w = net.add_constant("w", planish::Value::tensor<float>({64, 10}, weights));
//   auto y = net.add("MatMul", {x, w});
//   net.mark_output(net.add("Softmax", {y}, {{"axis", int64_t{-1}}}), "probabilities");
//   planish::Engine engine = net.build();
//
// Each call throws at once if it is wrong: an unknown op, an attribute of another kind, shapes that
// do not fit. Ops are those of ONNX at their newest meaning.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "planish/planish.h"

namespace planish {
inline namespace api {

class Network {
 public:
  using Id = int;
  static constexpr Id kAbsent = -1;  // an optional input that is left out
  using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>,
                                 std::vector<double>, std::vector<std::string>, Value>;
  using Attributes = std::vector<std::pair<std::string, Attribute>>;
  // Fills a subgraph: add its inputs, nodes and outputs on the network that it is given.
  using Body = std::function<void(Network&)>;
  using Bodies = std::vector<std::pair<std::string, Body>>;

  explicit Network(const std::string& name = "network") {
    planish_network* handle = nullptr;
    detail::check(planish_network_create(name.c_str(), &handle));
    handle_.reset(handle);
  }

  // Dims: "3", "batch", "?" for unknown.
  Id add_input(const std::string& name, int dtype, const std::vector<std::string>& dims) {
    std::vector<const char*> text;
    for (const std::string& d : dims) text.push_back(d.c_str());
    Id id = kAbsent;
    detail::check(planish_network_add_input(handle(), name.c_str(), dtype,
                                            static_cast<int>(text.size()), text.data(), &id));
    return id;
  }
  // The tensor's memory is shared: it must live as long as the value it came from promises.
  Id add_constant(const std::string& name, const Value& tensor) {
    Id id = kAbsent;
    detail::check(planish_network_add_constant(handle(), name.c_str(), tensor.handle(), &id));
    return id;
  }
  std::vector<Id> add_node(const std::string& op, const std::vector<Id>& inputs, int outputs,
                           const Attributes& attributes = {}, const std::string& name = "",
                           const Bodies& bodies = {}) {
    detail::check(planish_network_begin_node(handle(), op.c_str(), name.c_str(),
                                             static_cast<int>(inputs.size()), inputs.data(),
                                             outputs));
    try {
      for (const auto& [key, value] : attributes) set_attribute(key, value);
      for (const auto& [key, body] : bodies) {
        detail::check(planish_network_begin_subgraph(handle(), key.c_str()));
        body(*this);
        detail::check(planish_network_end_subgraph(handle()));
      }
    } catch (...) {
      planish_network_abandon_node(handle());
      throw;
    }
    std::vector<Id> ids(static_cast<size_t>(outputs), kAbsent);
    detail::check(planish_network_end_node(handle(), ids.data()));
    return ids;
  }
  // A node with one output.
  Id add(const std::string& op, const std::vector<Id>& inputs, const Attributes& attributes = {},
         const std::string& name = "") {
    return add_node(op, inputs, 1, attributes, name)[0];
  }
  void mark_output(Id value, const std::string& name) {
    detail::check(planish_network_mark_output(handle(), value, name.c_str()));
  }
  std::string type(Id value) const {
    const char* text = nullptr;
    detail::check(planish_network_type(handle(), value, &text));
    return text;
  }
  void set_metadata(const std::string& key, const std::string& value) {
    detail::check(planish_network_set_metadata(handle(), key.c_str(), value.c_str()));
  }
  Engine build(const Options& options = {}) {
    planish_engine* engine = nullptr;
    detail::check(planish_network_build(handle(), options.handle(), &engine));
    return Engine(engine);
  }
  planish_network* handle() const { return handle_.get(); }

 private:
  struct Release {
    void operator()(planish_network* p) const { planish_network_release(p); }
  };

  void set_attribute(const std::string& key, const Attribute& value) {
    const char* name = key.c_str();
    struct Setter {
      planish_network* net;
      const char* name;
      planish_status operator()(int64_t v) const { return planish_network_set_int(net, name, v); }
      planish_status operator()(double v) const { return planish_network_set_float(net, name, v); }
      planish_status operator()(const std::string& v) const {
        return planish_network_set_string(net, name, v.c_str());
      }
      planish_status operator()(const std::vector<int64_t>& v) const {
        return planish_network_set_ints(net, name, v.size(), v.data());
      }
      planish_status operator()(const std::vector<double>& v) const {
        return planish_network_set_floats(net, name, v.size(), v.data());
      }
      planish_status operator()(const std::vector<std::string>& v) const {
        std::vector<const char*> text;
        for (const std::string& s : v) text.push_back(s.c_str());
        return planish_network_set_strings(net, name, text.size(), text.data());
      }
      planish_status operator()(const Value& v) const {
        return planish_network_set_tensor(net, name, v.handle());
      }
    };
    detail::check(std::visit(Setter{handle(), name}, value));
  }

  std::unique_ptr<planish_network, Release> handle_;
};

}  // namespace api
}  // namespace planish
