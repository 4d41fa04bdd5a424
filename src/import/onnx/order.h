// SPDX-License-Identifier: Apache-2.0
// The order in which a graph's nodes can be imported.
#pragma once

#include <string>
#include <vector>

#include "import/onnx/proto.h"

namespace planish::onnx {

using NodeList = google::protobuf::RepeatedPtrField<pb::NodeProto>;

// Indices of `nodes` such that each comes after those whose outputs it, or a graph in its
// attributes, uses; nodes that are sorted already keep their order. `what` names the graph. Throws
// kInvalidModel if two nodes make the same value, or on a cycle, naming its nodes.
std::vector<int> node_order(const NodeList& nodes, const std::string& what);

// A node's name for messages and for the graph: its own, else its first output's, else its op's.
std::string node_name(const pb::NodeProto& node);

}  // namespace planish::onnx
