// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: TreeEnsemble, TreeEnsembleRegressor, TreeEnsembleClassifier.
#include <algorithm>
#include <cmath>
#include <set>

#include "ops/ml/forest.h"

namespace planish {
namespace {

using ml::Aggregate;
using ml::Branch;
using ml::Forest;
using ml::PostTransform;

void add_base(const KernelContext& c, const std::vector<double>& base,
              std::vector<double>& scores) {
  if (base.empty()) return;
  if (base.size() != 1 && base.size() != scores.size())
    c.fail(concat("base_values: expected ", scores.size(), ", got ", base.size()),
           ErrorCode::kInvalidModel);
  for (size_t i = 0; i < scores.size(); ++i) scores[i] += base[base.size() == 1 ? 0 : i];
}

void store_rows(KernelContext& c, const ml::Matrix& x, const Forest& forest, Aggregate how,
                PostTransform after) {
  Tensor& out = c.output(0);
  std::vector<double> all;
  all.reserve(static_cast<size_t>(out.count()));
  for (int64_t row = 0; row < x.rows; ++row) {
    std::vector<double> scores = ml::aggregate_votes(c, forest, x.row(row), out.dim(1), how);
    add_base(c, forest.base, scores);
    ml::transform_scores(after, scores);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  store(out, all);
}

// ---- TreeEnsembleRegressor

template <class Context>
Aggregate named_aggregate(const Context& c) {
  const std::string name = c.attributes().text("aggregate_function", "SUM");
  if (name == "SUM") return Aggregate::kSum;
  if (name == "AVERAGE") return Aggregate::kAverage;
  if (name == "MIN") return Aggregate::kMin;
  if (name == "MAX") return Aggregate::kMax;
  c.fail(concat("aggregate_function: there is no \"", name, "\""), ErrorCode::kInvalidModel);
}

Dim target_count(const InferContext& c) {
  const int64_t targets = c.attributes().integer("n_targets", 1);
  if (targets < 1) c.fail(concat("n_targets is ", targets), ErrorCode::kInvalidModel);
  return targets;
}

void infer_tree_ensemble_regressor(InferContext& c) {
  const Dim rows = ml::check_features(c, 0);
  ml::check_named_forest(c, "target");
  named_aggregate(c);
  ml::post_transform(c);
  set_tensor(c, 0, DType::kF32, Shape{rows, target_count(c)});
}

void run_tree_ensemble_regressor(KernelContext& c) {
  const Forest forest = ml::read_named_forest(c, "target", c.output(0).dim(1));
  store_rows(c, ml::feature_matrix(c, 0), forest, named_aggregate(c), ml::post_transform(c));
}

// ---- TreeEnsembleClassifier

void infer_tree_ensemble_classifier(InferContext& c) {
  const Dim rows = ml::check_features(c, 0);
  const ml::Labels labels(c, "classlabels_int64s", "classlabels_strings");
  ml::check_named_forest(c, "class");
  ml::post_transform(c);
  set_tensor(c, 0, labels.dtype(), Shape{rows});
  set_tensor(c, 1, DType::kF32, Shape{rows, std::max<int64_t>(labels.count(), 2)});
}

// Scores and the chosen class of two classes of which the trees score one. Weights that are all
// positive are probabilities.
int64_t finish_binary(double score, bool is_probability, PostTransform after,
                      std::vector<double>& scores) {
  scores = {is_probability ? 1 - score : -score, score};
  const int64_t best = score > (is_probability ? 0.5 : 0.0) ? 1 : 0;
  if (!is_probability) ml::transform_scores(after, scores);
  return best;
}

void run_tree_ensemble_classifier(KernelContext& c) {
  const ml::Matrix x = ml::feature_matrix(c, 0);
  const ml::Labels labels(c, "classlabels_int64s", "classlabels_strings");
  const Forest forest = ml::read_named_forest(c, "class", std::max<int64_t>(labels.count(), 2));
  const auto& ids = c.attributes().integers("class_ids");
  const bool one_score =
      labels.count() <= 2 && std::set<int64_t>(ids.begin(), ids.end()).size() == 1;
  const bool is_probability = std::all_of(forest.votes.begin(), forest.votes.end(),
                                          [](const ml::Vote& v) { return v.weight >= 0; });
  std::vector<double> all;
  for (int64_t row = 0; row < x.rows; ++row) {
    std::vector<double> scores = ml::aggregate_votes(
        c, forest, x.row(row), std::max<int64_t>(labels.count(), 2), Aggregate::kSum);
    add_base(c, forest.base, scores);
    int64_t best = 0;
    if (one_score) {
      best = finish_binary(scores[static_cast<size_t>(ids[0])], is_probability,
                           ml::post_transform(c), scores);
    } else {
      best = ml::best_place(scores);
      ml::transform_scores(ml::post_transform(c), scores);
    }
    // A single label names the positive class.
    if (labels.count() == 1) best = 1 - best;
    if (c.wants_output(0)) labels.put(c.output(0), row, best);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  if (c.wants_output(1)) store(c.output(1), all);
}

// ---- TreeEnsemble

void infer_tree_ensemble(InferContext& c) {
  const Attributes& a = c.attributes();
  const DType dtype = check_tensor(c, 0, is_float, "floats");
  check_rank(c, 0, 2);
  const size_t nodes = a.integers("nodes_featureids").size();
  for (const char* name :
       {"nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs"})
    if (a.integers(name).size() != nodes)
      c.fail(concat(name, ": expected ", nodes, " entries, got ", a.integers(name).size()),
             ErrorCode::kInvalidModel);
  if (a.tensor("nodes_modes").count() != static_cast<int64_t>(nodes) ||
      a.tensor("nodes_splits").count() != static_cast<int64_t>(nodes))
    c.fail(concat("expected ", nodes, " nodes_modes and nodes_splits"), ErrorCode::kInvalidModel);
  if (a.tensor("leaf_weights").count() != static_cast<int64_t>(a.integers("leaf_targetids").size()))
    c.fail("leaf_weights and leaf_targetids differ in length", ErrorCode::kInvalidModel);
  const int64_t how = a.integer("aggregate_function", 1), after = a.integer("post_transform", 0);
  if (how < 0 || how > 3 || after < 0 || after > 4)
    c.fail(concat("aggregate_function ", how, " or post_transform ", after, " does not exist"),
           ErrorCode::kInvalidModel);
  const Dim rows = c.has_rank(0) ? c.shape(0)[0] : c.fresh_dim();
  set_tensor(c, 0, dtype, Shape{rows, target_count(c)});
}

// Members of set-membership nodes are listed in the order of the nodes, with NaN after each set.
void read_members(const KernelContext& c, Forest& forest) {
  if (c.attributes().has("membership_values"))
    forest.members = load<double>(c.attributes().tensor("membership_values"));
  size_t at = 0;
  for (ml::TreeNode& node : forest.nodes) {
    if (node.branch != Branch::kMember) continue;
    node.first_member = at;
    while (at < forest.members.size() && !std::isnan(forest.members[at])) ++at;
    if (at == forest.members.size())
      c.fail("membership_values holds fewer sets than there are nodes that test one",
             ErrorCode::kInvalidModel);
    node.members = at++ - node.first_member;
  }
}

Forest read_forest(const KernelContext& c, int64_t targets) {
  const Attributes& a = c.attributes();
  const std::vector<int64_t> modes = load<int64_t>(a.tensor("nodes_modes"));
  const std::vector<double> splits = load<double>(a.tensor("nodes_splits"));
  const std::vector<double> weights = load<double>(a.tensor("leaf_weights"));
  const auto &features = a.integers("nodes_featureids"),
             &leaf_targets = a.integers("leaf_targetids");
  const auto missing = a.integers("nodes_missing_value_tracks_true", {});
  const size_t count = features.size(), leaves = leaf_targets.size();
  // Leaves follow the inner nodes.
  auto child = [&](const char* ids, const char* is_leaf, size_t i) {
    const bool leaf = a.integers(is_leaf)[i] != 0;
    const int64_t id = a.integers(ids)[i];
    if (id < 0 || id >= static_cast<int64_t>(leaf ? leaves : count))
      c.fail(concat(ids, ": node ", i, " has child ", id), ErrorCode::kInvalidModel);
    return static_cast<size_t>(id) + (leaf ? count : 0);
  };
  Forest forest;
  for (size_t i = 0; i < count; ++i) {
    if (modes[i] < 0 || modes[i] > 6)
      c.fail(concat("nodes_modes holds ", modes[i]), ErrorCode::kInvalidModel);
    ml::TreeNode node;
    node.branch = static_cast<Branch>(modes[i]);
    node.feature = features[i];
    node.value = splits[i];
    node.missing_is_true = i < missing.size() && missing[i] != 0;
    node.yes = child("nodes_truenodeids", "nodes_trueleafs", i);
    node.no = child("nodes_falsenodeids", "nodes_falseleafs", i);
    forest.nodes.push_back(node);
  }
  for (size_t i = 0; i < leaves; ++i) {
    if (leaf_targets[i] < 0 || leaf_targets[i] >= targets)
      c.fail(concat("leaf ", i, " is for target ", leaf_targets[i], " of ", targets),
             ErrorCode::kInvalidModel);
    ml::TreeNode leaf;
    leaf.first_vote = i;
    leaf.votes = 1;
    forest.nodes.push_back(leaf);
    forest.votes.push_back({leaf_targets[i], weights[i]});
  }
  for (int64_t root : a.integers("tree_roots")) {
    if (root < 0 || root >= static_cast<int64_t>(count))
      c.fail(concat("tree_roots holds ", root), ErrorCode::kInvalidModel);
    forest.roots.push_back(static_cast<size_t>(root));
  }
  read_members(c, forest);
  return forest;
}

void run_tree_ensemble(KernelContext& c) {
  constexpr Aggregate kAggregates[] = {Aggregate::kAverage, Aggregate::kSum, Aggregate::kMin,
                                       Aggregate::kMax};
  const auto how = static_cast<size_t>(c.attributes().integer("aggregate_function", 1));
  const auto after = static_cast<PostTransform>(c.attributes().integer("post_transform", 0));
  store_rows(c, ml::feature_matrix(c, 0), read_forest(c, c.output(0).dim(1)), kAggregates[how],
             after);
}

std::vector<AttributeSpec> node_attributes(const std::string& prefix,
                                           std::vector<AttributeSpec> more) {
  for (const char* name : {"nodes_nodeids", "nodes_treeids", "nodes_featureids",
                           "nodes_truenodeids", "nodes_falsenodeids"})
    more.push_back(required(name, AttrKind::kInts));
  more.push_back(required("nodes_modes", AttrKind::kStrings));
  more.push_back(optional("nodes_missing_value_tracks_true", AttrKind::kInts));
  for (const char* name : {"nodes_values", "nodes_hitrates", "base_values"}) {
    more.push_back(optional(name, AttrKind::kFloats));
    more.push_back(optional(std::string(name) + "_as_tensor", AttrKind::kTensor));
  }
  for (const char* name : {"_ids", "_nodeids", "_treeids"})
    more.push_back(required(prefix + name, AttrKind::kInts));
  more.push_back(optional(prefix + "_weights", AttrKind::kFloats));
  more.push_back(optional(prefix + "_weights_as_tensor", AttrKind::kTensor));
  more.push_back(optional("post_transform", AttrKind::kString));
  return more;
}

const RegisterOp kTreeEnsembleRegressor(
    {.name = "ai.onnx.ml.TreeEnsembleRegressor",
     .attributes = node_attributes("target", {optional("aggregate_function", AttrKind::kString),
                                              optional("n_targets", AttrKind::kInt)}),
     .infer = infer_tree_ensemble_regressor,
     .run = run_tree_ensemble_regressor,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html"});
const RegisterOp kTreeEnsembleClassifier(
    {.name = "ai.onnx.ml.TreeEnsembleClassifier",
     .attributes = node_attributes("class", {optional("classlabels_int64s", AttrKind::kInts),
                                             optional("classlabels_strings", AttrKind::kStrings)}),
     .outputs = {1, 2},
     .infer = infer_tree_ensemble_classifier,
     .run = run_tree_ensemble_classifier,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html"});
const RegisterOp kTreeEnsemble(
    {.name = "ai.onnx.ml.TreeEnsemble",
     .attributes =
         {required("tree_roots", AttrKind::kInts), required("nodes_featureids", AttrKind::kInts),
          required("nodes_truenodeids", AttrKind::kInts),
          required("nodes_falsenodeids", AttrKind::kInts),
          required("nodes_trueleafs", AttrKind::kInts),
          required("nodes_falseleafs", AttrKind::kInts), required("nodes_modes", AttrKind::kTensor),
          required("nodes_splits", AttrKind::kTensor), required("leaf_weights", AttrKind::kTensor),
          required("leaf_targetids", AttrKind::kInts),
          optional("nodes_missing_value_tracks_true", AttrKind::kInts),
          optional("nodes_hitrates", AttrKind::kTensor),
          optional("membership_values", AttrKind::kTensor), optional("n_targets", AttrKind::kInt),
          optional("aggregate_function", AttrKind::kInt),
          optional("post_transform", AttrKind::kInt)},
     .infer = infer_tree_ensemble,
     .run = run_tree_ensemble,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html"});

}  // namespace
}  // namespace planish
