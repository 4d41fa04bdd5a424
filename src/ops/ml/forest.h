// SPDX-License-Identifier: Apache-2.0
// Decision trees, whatever attributes describe them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/ml/scores.h"

namespace planish::ml {

enum class Branch : uint8_t {
  kLessOrEqual,
  kLess,
  kGreaterOrEqual,
  kGreater,
  kEqual,
  kNotEqual,
  kMember,
  kLeaf
};

struct TreeNode {
  Branch branch = Branch::kLeaf;
  bool missing_is_true = false;  // where NaN goes
  int64_t feature = 0;
  double value = 0;
  size_t yes = 0, no = 0;                // children
  size_t first_member = 0, members = 0;  // kMember: in Forest::members
  size_t first_vote = 0, votes = 0;      // kLeaf: in Forest::votes
};

struct Vote {
  int64_t target;
  double weight;
};

struct Forest {
  std::vector<TreeNode> nodes;
  std::vector<size_t> roots;
  std::vector<double> members;
  std::vector<Vote> votes;
  std::vector<double> base;  // empty, or one for each target (or one for all)

  // The leaf of tree `root` for a row of features. Fails on a feature beyond the row and on a
  // cycle.
  const TreeNode& leaf(const KernelContext& c, size_t root, std::span<const double> row) const;
};

enum class Aggregate { kSum, kAverage, kMin, kMax };
// What the trees say of one row, without base values; targets that no leaf votes for get 0.
std::vector<double> aggregate_votes(const KernelContext& c, const Forest& forest,
                                    std::span<const double> row, int64_t targets, Aggregate how);

// The forest of TreeEnsembleRegressor and TreeEnsembleClassifier; `prefix` is "target" or "class".
Forest read_named_forest(const KernelContext& c, const std::string& prefix, int64_t targets);
// Checks the lengths that need no features. `prefix` as above.
void check_named_forest(const InferContext& c, const std::string& prefix);

}  // namespace planish::ml
