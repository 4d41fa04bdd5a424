// SPDX-License-Identifier: Apache-2.0
// Random valid graphs: nodes are proposed by makers, and kept if their shape rules take them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace planish::dev {

// The same numbers from the same seed, whatever the library.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(int percent) { return below(100) < percent; }
  double real() {
    return static_cast<double>(engine_() >> 11) / 4503599627370496.0 - 1;
  }  // -1 .. 1
  template <class T>
  const T& of(const std::vector<T>& items) {
    return items[static_cast<size_t>(below(static_cast<int64_t>(items.size())))];
  }

 private:
  std::mt19937_64 engine_;
};

using Sizes = std::map<std::string, int64_t>;

Tensor random_tensor(Random& random, DType dtype, Dims dims);
// What the dims are under `sizes`; nullopt if the rank or a symbol is not known.
std::optional<Dims> concrete_dims(const Type& type, const Sizes& sizes);

class GraphMaker {
 public:
  // Values of `around` may be used too.
  GraphMaker(ir::Graph& graph, Random& random, const Sizes& sizes,
             std::vector<ir::Value*> around = {});

  Random& random() { return random_; }
  ir::Graph& graph() { return graph_; }
  const Sizes& sizes() const { return sizes_; }

  // Adds up to `count` nodes or small groups of them.
  void grow(int count);

  // --- what makers take
  // --------------------------------------------------------------------------- A value of known
  // rank; null if there is none.
  ir::Value* pick(bool (*fits)(const Type&));
  ir::Value* pick_float(size_t least_rank, size_t most_rank);
  // A constant, or a new input of the whole graph.
  ir::Value* fresh(DType dtype, const Shape& shape);
  ir::Value* constant(Tensor tensor);
  ir::Value* integers(const std::vector<int64_t>& values);
  ir::Value* scalar(DType dtype, double value);
  std::optional<Dims> dims(const ir::Value* value) const {
    return concrete_dims(value->type(), sizes_);
  }
  void offer(ir::Value* value) { values_.push_back(value); }
  const std::vector<ir::Value*>& values() const { return values_; }

  // --- what makers make
  // --------------------------------------------------------------------------- Null if the op's
  // rule objects or the result would be large.
  ir::Value* add(const std::string& op, std::vector<ir::Value*> inputs, Attributes attributes = {});
  std::vector<ir::Value*> add_many(const std::string& op, std::vector<ir::Value*> inputs,
                                   int outputs, Attributes attributes = {});
  // A node whose subgraphs `fill` makes; null if it does not work out.
  template <class Fill>
  ir::Node* add_control(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                        Fill fill) {
    ir::Node* node = graph_.add_node(op, std::move(inputs), outputs);
    return finish(node, fill(*node)) ? node : nullptr;
  }

 private:
  bool finish(ir::Node* node, bool is_good);

  ir::Graph& graph_;
  Random& random_;
  const Sizes& sizes_;
  std::vector<ir::Value*> values_;
};

// Tries to add something to the graph; false if it found nothing to add.
using Maker = bool (*)(GraphMaker&);
struct WeightedMaker {
  int weight;
  Maker make;
};
std::span<const WeightedMaker> pointwise_makers();
std::span<const WeightedMaker> movement_makers();
std::span<const WeightedMaker> product_makers();
std::span<const WeightedMaker> reduction_makers();
std::span<const WeightedMaker> control_makers();

struct RandomModel {
  std::unique_ptr<ir::Graph> graph;
  std::vector<Sizes> sizes;  // of the symbols, for one run each
};
RandomModel random_model(uint64_t seed);

}  // namespace planish::dev
