// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/lowering.h"

#include <algorithm>
#include <bit>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/kernel_compiler.h"
#include "base/hash.h"
#include "base/str.h"
#include "plan/dim_text.h"

namespace planish::cuda {
namespace {

using Registry = std::map<std::string, std::multimap<int, LowerNode>, std::less<>>;
Registry& registry() {
  static Registry lowerings;
  return lowerings;
}

std::string key_of(const std::string& source) {
  return Hasher().add(kernel_files_hash()).add(source).digest128().hex();
}

// The type of the entry's parameter: what stands in PLANISH_PARAMS(...).
std::string_view params_type(std::string_view source) {
  constexpr std::string_view kBefore = "PLANISH_PARAMS(";
  const size_t begin = source.find(kBefore) + kBefore.size();
  return source.substr(begin, source.find(')', begin) - begin);
}

}  // namespace

Launch& Launch::in(int input, int offset) {
  if (input < 0)
    i64(0);
  else
    fields_.push_back({Field::Kind::kInput, 8, input, offset});
  return *this;
}
Launch& Launch::out(int output, int offset) {
  fields_.push_back({Field::Kind::kOutput, 8, output, offset});
  return *this;
}
Launch& Launch::scratch(int dim) {
  fields_.push_back({Field::Kind::kScratch, 8, dim});
  return *this;
}
Launch& Launch::zeros() {
  fields_.push_back({Field::Kind::kZeros, 8, 0});
  return *this;
}
Launch& Launch::fault() {
  fields_.push_back({Field::Kind::kFault, 8, 0});
  fields_.push_back({Field::Kind::kSite, 8, 0});
  return *this;
}
Launch& Launch::i32(int64_t value) {
  is_storable_ = is_storable_ && value >= INT32_MIN && value <= INT32_MAX;
  fields_.push_back({Field::Kind::kNumber, 4, value});
  return *this;
}
Launch& Launch::i64(int64_t value) {
  fields_.push_back({Field::Kind::kNumber, 8, value});
  return *this;
}
// Bits that are an int's are told as one.
Launch& Launch::f32(float value) {
  fields_.push_back({Field::Kind::kNumber, 4, std::bit_cast<uint32_t>(value)});
  return *this;
}
Launch& Launch::i32_dim(int dim) {
  fields_.push_back({Field::Kind::kExpression, 4, dim});
  return *this;
}
Launch& Launch::i64_dim(int dim) {
  fields_.push_back({Field::Kind::kExpression, 8, dim});
  return *this;
}
Launch& Launch::grid(int x_dim, int y_dim, int z_dim) {
  grid_[0] = x_dim;
  grid_[1] = y_dim;
  grid_[2] = z_dim;
  return *this;
}
Launch& Launch::threads(int count) {
  threads_ = count;
  return *this;
}
Launch& Launch::shared(int64_t bytes) {
  shared_ = bytes;
  return *this;
}
Launch& Launch::overlaps(bool does) {
  overlaps_ = does;
  return *this;
}

int StepBuilder::input(const ir::Value* value) {
  if (value == nullptr) return -1;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto* held = std::get_if<const ir::Value*>(&inputs_[i]);
    if (held != nullptr && *held == value) return static_cast<int>(i);
  }
  inputs_.emplace_back(value);
  return static_cast<int>(inputs_.size()) - 1;
}

int StepBuilder::input(Tensor constant) {
  inputs_.emplace_back(std::move(constant));
  return static_cast<int>(inputs_.size()) - 1;
}

int StepBuilder::input(const Tensor& source, const std::string& how,
                       const std::function<Tensor()>& make) {
  if (!lowering_.packs) return input(Tensor(DType::kU8, {0}));
  if (lowering_.packed == nullptr) return input(make());
  const auto [at, is_new] = lowering_.packed->try_emplace({source.data(), how});
  if (is_new) at->second = {make(), source};
  return input(at->second.first);
}

int StepBuilder::dim(const Dim& dim) {
  is_storable_ = is_storable_ && plan::is_storable(dim);
  for (size_t i = 0; i < dims_.size(); ++i)
    if (dims_[i] == dim) return static_cast<int>(i);
  dims_.push_back(dim);
  return static_cast<int>(dims_.size()) - 1;
}

int StepBuilder::scratch(const Dim& bytes) {
  constexpr int64_t kAlignment = 256;
  const int offset = dim(scratch_);
  scratch_ = scratch_ + (bytes + (kAlignment - 1)).floor_div(kAlignment) * kAlignment;
  return offset;
}

void StepBuilder::may_overwrite(int output, int input) {
  in_place_.push_back(output);
  in_place_.push_back(input);
}

void StepBuilder::require_window(size_t axis, const Dim& in, int64_t window, int64_t pads) {
  const Dim room = in + pads;
  const int64_t least = room.range().min;
  if (window <= 1 || least >= window) return;
  for (int64_t number : {static_cast<int64_t>(axis), int64_t{dim(in)}, window, int64_t{dim(room)}})
    windows_.push_back(number);
}

void StepBuilder::require_elements(const Dim& size) {
  if (size.range().min < 1) filled_.push_back(dim(size));
}

std::optional<std::vector<Dim>> StepBuilder::broadcast(const Shape& operand, const Shape& output) {
  if (operand.size() > output.size()) return std::nullopt;
  const size_t shift = output.size() - operand.size();
  const std::vector<Dim> dense = dense_strides(operand);
  std::vector<Dim> strides(output.size(), Dim(0));
  for (size_t i = shift; i < output.size(); ++i) {
    const Dim& size = operand[i - shift];
    if (size == Dim(1)) continue;
    strides[i] = dense[i - shift];
    if (size == output[i]) continue;
    // Sizes of 1 stay where they are.
    strides[i] = strides[i] * Dim::min(size - 1, 1);
    broadcasts_.push_back(dim(size));
    broadcasts_.push_back(dim(output[i]));
  }
  return strides;
}

void StepBuilder::add(Launch launch) {
  is_storable_ =
      is_storable_ && launch.is_storable_ && launch.shared_ <= shared_limit(lowering_.targets);
  launches_.push_back(std::move(launch));
}

std::optional<ref::StepChoice> StepBuilder::finish(std::string tactic) {
  const int one = dim(1);
  const int scratch = dim(scratch_);
  if (!is_storable_) return std::nullopt;
  std::vector<std::string> keys, fields, dims;
  std::vector<int64_t> geometry, overlaps;
  for (const Launch& launch : launches_) {
    const std::string source =
        concat(launch.source_, "static_assert(sizeof(", params_type(launch.source_),
               ") == ", fields_bytes(launch.fields_), ");\n");
    keys.push_back(key_of(source));
    lowering_.sources.emplace(keys.back(), source);
    fields.push_back(print_fields(launch.fields_));
    for (int d : launch.grid_) geometry.push_back(d < 0 ? one : d);
    geometry.push_back(launch.threads_);
    geometry.push_back(launch.shared_);
    overlaps.push_back(launch.overlaps_ ? 1 : 0);
  }
  for (const Dim& d : dims_) dims.push_back(d.to_string());
  Attributes attributes{{"kernels", keys},
                        {"fields", fields},
                        {"geometry", geometry},
                        {"dims", dims},
                        {"overlaps", overlaps}};
  if (!(scratch_ == Dim(0))) attributes.set("scratch", int64_t{scratch});
  if (!in_place_.empty()) attributes.set("in_place", in_place_);
  if (!windows_.empty()) attributes.set("windows", windows_);
  if (!broadcasts_.empty()) attributes.set("broadcasts", broadcasts_);
  if (!filled_.empty()) attributes.set("filled", filled_);
  return ref::StepChoice{.kernel = "cuda.launch",
                         .attributes = std::move(attributes),
                         .inputs = std::move(inputs_),
                         .tactic = std::move(tactic)};
}

int64_t shared_limit(const std::vector<Target>& targets) {
  int64_t limit = 227 << 10;
  for (const Target& t : targets) {
    const int number = t.number();
    const int64_t own = number < 80                    ? 64
                        : number == 80                 ? 163
                        : number < 90 || number >= 120 ? 99
                                                       : 227;
    limit = std::min(limit, own << 10);
  }
  return limit;
}

RegisterLowering::RegisterLowering(std::string op, LowerNode lower, int order) {
  registry()[std::move(op)].emplace(order, lower);
}

const ir::Node* fused_root(const ir::Node& node) {
  const ir::Graph* body = node.subgraph("body");
  if (node.op() != "planish.Fused" || body == nullptr) return nullptr;
  const ir::Node* root = nullptr;
  for (const auto& inner : body->nodes())
    if (!is_pointwise(*inner)) root = inner.get();
  return root;
}

const ir::Node& root_of(const ir::Node& node) {
  const ir::Node* root = fused_root(node);
  return root != nullptr ? *root : node;
}

const ir::Value* outer_value(const ir::Node& node, const ir::Value* inner) {
  const ir::Graph* body = node.subgraph("body");
  if (body == nullptr || inner == nullptr || inner->kind() != ir::Value::Kind::kInput ||
      inner->graph() != body)
    return inner;
  return node.input(inner->output_index());
}

std::optional<ref::StepChoice> lower_node(const ir::Node& node, Lowering& lowering) {
  lowering.offers.clear();
  lowering.taken.clear();
  std::string key = node.op();
  if (key == "planish.Fused") {
    const ir::Node* root = fused_root(node);
    key = root == nullptr ? "" : root->op();
  } else if (is_pointwise(node)) {
    key = "";
  }
  const auto found = registry().find(key);
  if (found == registry().end()) return std::nullopt;
  for (const auto& [order, lower] : found->second)
    if (auto choice = lower(node, lowering)) return choice;
  return std::nullopt;
}

bool is_tensor(const ir::Value* v, std::initializer_list<DType> types) {
  return v != nullptr && v->type().has_rank() &&
         std::find(types.begin(), types.end(), v->type().dtype) != types.end();
}

bool is_real(const ir::Value* v) { return is_tensor(v, {DType::kF32, DType::kF16, DType::kBF16}); }

const Shape& shape_of(const ir::Value* v) { return *v->type().shape; }

bool is_movable(const ir::Value* v) {
  return v != nullptr && v->type().has_rank() && !element_name(v->type().dtype).empty();
}

size_t normal_axis(int64_t axis, size_t rank) {
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

std::string kernel_source(const std::string& file, const std::string& config, int threads,
                          const std::string& params, const std::string& name) {
  return concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"", file, "\"\nstruct Config {\n",
                config, "};\nextern \"C\" PLANISH_KERNEL(", threads,
                ", 1) void entry(PLANISH_PARAMS(planish::", params, ") p) {\n  planish::", name,
                "_kernel<Config>(p);\n}\n");
}

std::string element_text(const ir::Value* v) {
  return concat("planish::", element_name(v->type().dtype));
}

}  // namespace planish::cuda
