// SPDX-License-Identifier: Apache-2.0
#include "random_generator.h"

#include <algorithm>

#include "passes/infer.h"
#include "passes/pass.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::dev {
namespace {

constexpr int64_t kMostElements = 40000;

const std::vector<std::string> kSymbols = {"n", "m", "k"};
const std::vector<int64_t> kLengths = {1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 12, 16, 17, 33};

Dim random_dim(Random& random) {
  if (random.chance(30)) return Dim::symbol(random.of(kSymbols));
  return random.chance(1) ? 0 : random.of(kLengths);
}

DType random_dtype(Random& random) {
  static const std::vector<DType> kTypes = {
      DType::kF32,  DType::kF32, DType::kF32, DType::kF32, DType::kF32, DType::kF32,
      DType::kF32,  DType::kF32, DType::kF32, DType::kI64, DType::kI64, DType::kI32,
      DType::kBool, DType::kF16, DType::kF64, DType::kU8,  DType::kI8,  DType::kBF16};
  return random.of(kTypes);
}

const std::vector<WeightedMaker>& all_makers() {
  static const std::vector<WeightedMaker> kAll = [] {
    std::vector<WeightedMaker> all;
    for (const auto& makers : {pointwise_makers(), movement_makers(), product_makers(),
                               reduction_makers(), control_makers()})
      all.insert(all.end(), makers.begin(), makers.end());
    return all;
  }();
  return kAll;
}

}  // namespace

Tensor random_tensor(Random& random, DType dtype, Dims dims) {
  Tensor t(dtype, std::move(dims));
  std::vector<double> values(static_cast<size_t>(t.count()));
  const bool is_real = is_float(dtype);
  const double scale = random.chance(15) ? 10 : 1;
  for (double& v : values) {
    if (is_real)
      v = random.chance(4) ? static_cast<double>(random.between(-2, 2)) : random.real() * scale;
    else if (dtype == DType::kBool)
      v = static_cast<double>(random.below(2));
    else
      v = static_cast<double>(
          random.between(dtype_class(dtype) == DTypeClass::kUnsigned ? 0 : -3, 5));
  }
  store(t, values);
  return t;
}

std::optional<Dims> concrete_dims(const Type& type, const Sizes& sizes) {
  if (!type.has_rank()) return std::nullopt;
  Dims out;
  for (const Dim& dim : *type.shape) {
    const auto value = dim.evaluate([&](const std::string& name) -> std::optional<int64_t> {
      const auto it = sizes.find(name);
      return it == sizes.end() ? std::nullopt : std::optional<int64_t>(it->second);
    });
    if (!value || *value < 0) return std::nullopt;
    out.push_back(*value);
  }
  return out;
}

GraphMaker::GraphMaker(ir::Graph& graph, Random& random, const Sizes& sizes,
                       std::vector<ir::Value*> around)
    : graph_(graph), random_(random), sizes_(sizes), values_(std::move(around)) {}

void GraphMaker::grow(int count) {
  int total = 0;
  for (const WeightedMaker& maker : all_makers()) total += maker.weight;
  for (int made = 0, attempts = 0; made < count && attempts < 20 * count; ++attempts) {
    int64_t at = random_.below(total);
    size_t i = 0;
    while (at >= all_makers()[i].weight) at -= all_makers()[i++].weight;
    made += all_makers()[i].make(*this);
  }
}

ir::Value* GraphMaker::pick(bool (*fits)(const Type&)) {
  std::vector<ir::Value*> found;
  for (ir::Value* v : values_)
    if (v->type().has_rank() && fits(v->type())) found.push_back(v);
  if (found.empty()) return nullptr;
  // What was made last is taken more often, so that graphs become deep.
  if (random_.chance(60))
    return found[found.size() - 1 -
                 static_cast<size_t>(
                     random_.below(std::min<int64_t>(3, static_cast<int64_t>(found.size()))))];
  return random_.of(found);
}

ir::Value* GraphMaker::pick_float(size_t least_rank, size_t most_rank) {
  for (int attempt = 0; attempt < 4; ++attempt) {
    ir::Value* v = pick([](const Type& type) { return is_float(type.dtype); });
    if (v == nullptr) return nullptr;
    const size_t rank = v->type().shape->size();
    if (rank >= least_rank && rank <= most_rank) return v;
  }
  return nullptr;
}

ir::Value* GraphMaker::fresh(DType dtype, const Shape& shape) {
  // Sizes that depend on data are no input's.
  if (!concrete_dims(Type::tensor(dtype, shape), sizes_)) return nullptr;
  const auto known = constant_dims(shape);
  if (known && random_.chance(70)) return constant(random_tensor(random_, dtype, *known));
  ir::Graph& whole = *graph_.outermost();
  return whole.add_input("x", Type::tensor(dtype, shape));
}

ir::Value* GraphMaker::constant(Tensor tensor) {
  return graph_.add_constant("c", std::move(tensor));
}

ir::Value* GraphMaker::integers(const std::vector<int64_t>& values) {
  return constant(Tensor::vector_i64(values));
}

ir::Value* GraphMaker::scalar(DType dtype, double value) {
  Tensor t(dtype, {});
  store<double>(t, 0, 1, &value);
  return constant(std::move(t));
}

bool GraphMaker::finish(ir::Node* node, bool is_good) {
  try {
    if (is_good) passes::infer_node(*node, passes::Known::kIgnore);
  } catch (const Error&) {
    is_good = false;
  }
  for (const ir::Value* out : node->outputs()) {
    const auto known = is_good && out->type().is_tensor() ? dims(out) : std::nullopt;
    if (!known) {
      // Sizes that depend on data are fine, unknown types are not.
      is_good = is_good && out->type().has_rank();
      continue;
    }
    int64_t count = 1;
    for (int64_t d : *known) count = count > kMostElements ? count : count * d;
    is_good = is_good && count <= kMostElements;
  }
  if (!is_good) {
    graph_.erase(node);
    return false;
  }
  for (ir::Value* out : node->outputs()) values_.push_back(out);
  return true;
}

ir::Value* GraphMaker::add(const std::string& op, std::vector<ir::Value*> inputs,
                           Attributes attributes) {
  const auto made = add_many(op, std::move(inputs), 1, std::move(attributes));
  return made.empty() ? nullptr : made[0];
}

std::vector<ir::Value*> GraphMaker::add_many(const std::string& op, std::vector<ir::Value*> inputs,
                                             int outputs, Attributes attributes) {
  // A maker that builds on what did not work out has nothing to add.
  if (!inputs.empty() && inputs[0] == nullptr) return {};
  ir::Node* node = graph_.add_node(op, std::move(inputs), outputs,
                                   {.name = {}, .attributes = std::move(attributes)});
  if (!finish(node, true)) return {};
  return node->outputs();
}

RandomModel random_model(uint64_t seed) {
  Random random(seed);
  RandomModel model{.graph = std::make_unique<ir::Graph>(), .sizes = {}};
  for (int run = 0; run < 2; ++run) {
    Sizes sizes;
    for (const std::string& name : kSymbols)
      sizes[name] = random.chance(3) ? 0 : random.between(1, 7);
    model.sizes.push_back(sizes);
  }
  ir::Graph& graph = *model.graph;
  GraphMaker maker(graph, random, model.sizes[0]);
  for (int64_t i = random.between(1, 3); i > 0; --i) {
    Shape shape;
    const int64_t rank = random.chance(30) ? 4 : random.between(0, 5);
    for (int64_t d = 0; d < rank; ++d) shape.push_back(random_dim(random));
    const DType dtype = i == 1 ? DType::kF32 : random_dtype(random);
    maker.offer(graph.add_input("x", Type::tensor(dtype, std::move(shape))));
  }
  maker.grow(static_cast<int>(random.between(2, 14)));
  for (const auto& node : graph.nodes())
    for (ir::Value* out : node->outputs())
      if (out->uses().empty() || random.chance(8)) graph.add_output(out, out->name());
  if (graph.outputs().empty()) graph.add_output(graph.inputs()[0], "y");
  graph.erase_unused_constants();
  return model;
}

}  // namespace planish::dev
