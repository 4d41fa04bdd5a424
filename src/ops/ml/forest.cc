// SPDX-License-Identifier: Apache-2.0
#include "ops/ml/forest.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace planish::ml {
namespace {

bool goes_to_yes(const Forest& forest, const TreeNode& node, double x) {
  if (node.missing_is_true && std::isnan(x)) return true;
  switch (node.branch) {
    case Branch::kLessOrEqual: return x <= node.value;
    case Branch::kLess: return x < node.value;
    case Branch::kGreaterOrEqual: return x >= node.value;
    case Branch::kGreater: return x > node.value;
    case Branch::kEqual: return x == node.value;
    case Branch::kNotEqual: return x != node.value;
    case Branch::kMember: {
      const auto first = forest.members.begin() + static_cast<int64_t>(node.first_member);
      return std::find(first, first + static_cast<int64_t>(node.members), x) !=
             first + static_cast<int64_t>(node.members);
    }
    case Branch::kLeaf: break;
  }
  return false;
}

}  // namespace

const TreeNode& Forest::leaf(const KernelContext& c, size_t root,
                             std::span<const double> row) const {
  size_t at = root;
  for (size_t steps = 0; steps <= nodes.size(); ++steps) {
    const TreeNode& node = nodes[at];
    if (node.branch == Branch::kLeaf) return node;
    if (node.feature < 0 || node.feature >= static_cast<int64_t>(row.size()))
      c.fail(concat("a tree asks for feature ", node.feature, " of ", row.size()));
    at = goes_to_yes(*this, node, row[static_cast<size_t>(node.feature)]) ? node.yes : node.no;
  }
  c.fail("a tree has a cycle", ErrorCode::kInvalidModel);
}

std::vector<double> aggregate_votes(const KernelContext& c, const Forest& forest,
                                    std::span<const double> row, int64_t targets, Aggregate how) {
  std::vector<double> scores(static_cast<size_t>(targets), 0);
  std::vector<bool> voted(scores.size(), false);
  for (size_t root : forest.roots) {
    const TreeNode& leaf = forest.leaf(c, root, row);
    for (size_t i = leaf.first_vote; i < leaf.first_vote + leaf.votes; ++i) {
      const auto to = static_cast<size_t>(forest.votes[i].target);
      const double weight = forest.votes[i].weight;
      if (how == Aggregate::kMin || how == Aggregate::kMax) {
        const bool better = how == Aggregate::kMin ? weight < scores[to] : weight > scores[to];
        if (!voted[to] || better) scores[to] = weight;
      } else {
        scores[to] += weight;
      }
      voted[to] = true;
    }
  }
  if (how == Aggregate::kAverage)
    for (double& v : scores) v /= static_cast<double>(forest.roots.size());
  return scores;
}

namespace {

// Attribute `name`, or `name`_as_tensor in its place.
std::vector<double> reals_or_tensor(const Attributes& a, const std::string& name) {
  if (a.has(name + "_as_tensor")) return load<double>(a.tensor(name + "_as_tensor"));
  return a.reals(name, {});
}

template <class Context>
Branch named_branch(const Context& c, const std::string& name) {
  static const std::map<std::string, Branch> kNames = {{"BRANCH_LEQ", Branch::kLessOrEqual},
                                                       {"BRANCH_LT", Branch::kLess},
                                                       {"BRANCH_GTE", Branch::kGreaterOrEqual},
                                                       {"BRANCH_GT", Branch::kGreater},
                                                       {"BRANCH_EQ", Branch::kEqual},
                                                       {"BRANCH_NEQ", Branch::kNotEqual},
                                                       {"LEAF", Branch::kLeaf}};
  const auto found = kNames.find(name);
  if (found == kNames.end())
    c.fail(concat("nodes_modes: there is no \"", name, "\""), ErrorCode::kInvalidModel);
  return found->second;
}

using NodeName = std::pair<int64_t, int64_t>;  // tree, node

std::map<NodeName, size_t> read_nodes(const KernelContext& c, Forest& forest) {
  const Attributes& a = c.attributes();
  const auto &trees = a.integers("nodes_treeids"), &ids = a.integers("nodes_nodeids");
  const auto &features = a.integers("nodes_featureids"), &yes = a.integers("nodes_truenodeids");
  const auto& no = a.integers("nodes_falsenodeids");
  const auto& modes = a.texts("nodes_modes");
  const std::vector<double> values = reals_or_tensor(a, "nodes_values");
  const auto missing = a.integers("nodes_missing_value_tracks_true", {});
  std::map<NodeName, size_t> places;
  for (size_t i = 0; i < ids.size(); ++i) places[{trees[i], ids[i]}] = i;
  std::vector<bool> is_child(ids.size(), false);
  for (size_t i = 0; i < ids.size(); ++i) {
    TreeNode node;
    node.branch = named_branch(c, modes[i]);
    node.feature = features[i];
    node.value = values[i];
    node.missing_is_true = i < missing.size() && missing[i] != 0;
    if (node.branch != Branch::kLeaf) {
      const auto to_yes = places.find({trees[i], yes[i]}), to_no = places.find({trees[i], no[i]});
      if (to_yes == places.end() || to_no == places.end())
        c.fail(concat("node ", ids[i], " of tree ", trees[i], " has a child that does not exist"),
               ErrorCode::kInvalidModel);
      node.yes = to_yes->second;
      node.no = to_no->second;
      is_child[node.yes] = is_child[node.no] = true;
    }
    forest.nodes.push_back(node);
  }
  // The root of a tree is its first node that is nobody's child.
  std::set<int64_t> rooted;
  for (size_t i = 0; i < ids.size(); ++i)
    if (!is_child[i] && rooted.insert(trees[i]).second) forest.roots.push_back(i);
  return places;
}

}  // namespace

void check_named_forest(const InferContext& c, const std::string& prefix) {
  const Attributes& a = c.attributes();
  const size_t nodes = a.integers("nodes_nodeids").size();
  for (const char* name :
       {"nodes_treeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"})
    if (a.integers(name).size() != nodes)
      c.fail(concat(name, ": expected ", nodes, " entries, got ", a.integers(name).size()),
             ErrorCode::kInvalidModel);
  if (a.texts("nodes_modes").size() != nodes || reals_or_tensor(a, "nodes_values").size() != nodes)
    c.fail(concat("expected ", nodes, " nodes_modes and nodes_values"), ErrorCode::kInvalidModel);
  const size_t votes = a.integers(prefix + "_ids").size();
  if (a.integers(prefix + "_treeids").size() != votes ||
      a.integers(prefix + "_nodeids").size() != votes ||
      reals_or_tensor(a, prefix + "_weights").size() != votes)
    c.fail(concat("the ", prefix, "_ lists differ in length"), ErrorCode::kInvalidModel);
}

Forest read_named_forest(const KernelContext& c, const std::string& prefix, int64_t targets) {
  const Attributes& a = c.attributes();
  Forest forest;
  const std::map<NodeName, size_t> places = read_nodes(c, forest);
  const auto &trees = a.integers(prefix + "_treeids"), &nodes = a.integers(prefix + "_nodeids");
  const auto& ids = a.integers(prefix + "_ids");
  const std::vector<double> weights = reals_or_tensor(a, prefix + "_weights");
  std::vector<std::vector<Vote>> votes(forest.nodes.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto at = places.find({trees[i], nodes[i]});
    if (at == places.end() || ids[i] < 0 || ids[i] >= targets)
      c.fail(concat("vote ", i, " is for target ", ids[i], " of ", targets, ", from node ",
                    nodes[i], " of tree ", trees[i]),
             ErrorCode::kInvalidModel);
    votes[at->second].push_back({ids[i], weights[i]});
  }
  for (size_t i = 0; i < votes.size(); ++i) {
    forest.nodes[i].first_vote = forest.votes.size();
    forest.nodes[i].votes = votes[i].size();
    forest.votes.insert(forest.votes.end(), votes[i].begin(), votes[i].end());
  }
  forest.base = reals_or_tensor(a, "base_values");
  return forest;
}

}  // namespace planish::ml
