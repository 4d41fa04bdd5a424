// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/lowering.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "backend/cpu/compile/quantization.h"
#include "backend/cpu/compile/tape_builder.h"

namespace planish::cpu {
namespace {

struct Lowering {
  LowerNode lower;
  LoweringTraits traits;
};

std::map<std::string, std::vector<Lowering>, std::less<>>& registry() {
  static std::map<std::string, std::vector<Lowering>, std::less<>> lowerings;
  return lowerings;
}

// Those that may know a node, by rank, then by name: not in the order of linking.
const std::vector<Lowering>& lowerings_of(const ir::Node& node) {
  static const std::vector<Lowering> kNone;
  std::string key = node.op();
  if (key == "planish.Fused") {
    const ir::Node* root = fused_root(node);
    key = root == nullptr ? "" : root->op();
    if (quantized_product(node)) key = "quantized product";
  } else if (is_tape_node(node)) {
    key = "";
  }
  const auto found = registry().find(key);
  return found == registry().end() ? kNone : found->second;
}

// "onednn" names all of "onednn.conv", "onednn.matmul", ...
bool is_disabled(const std::string& tactic, const LowerTarget& target) {
  return target.disabled.count(tactic) != 0 ||
         target.disabled.count(tactic.substr(0, tactic.find('.'))) != 0;
}

// Whether and how, without packing: what is asked may be disabled, or not be taken.
Offer ask(const Lowering& lowering, const ir::Node& node, const LowerTarget& target) {
  Offer offer{.tactic = lowering.traits.name, .cost = lowering.traits.cost};
  LowerTarget dry{.isa = target.isa,
                  .threads = target.threads,
                  .disabled = target.disabled,
                  .packs = false,
                  .refusal = &offer.refusal};
  offer.step = lowering.lower(node, dry);
  if (!offer.step) return offer;
  if (offer.tactic.empty()) offer.tactic = offer.step->kernel;
  if (is_disabled(offer.tactic, target)) {
    offer.step.reset();
    offer.refusal = "the option disable_tactic leaves it out";
  }
  return offer;
}

}  // namespace

RegisterLowering::RegisterLowering(std::string op, LowerNode lower, LoweringTraits traits) {
  std::vector<Lowering>& all = registry()[std::move(op)];
  const auto place =
      std::upper_bound(all.begin(), all.end(), traits, [](const auto& a, const Lowering& b) {
        return std::tie(a.rank, a.name) < std::tie(b.traits.rank, b.traits.name);
      });
  all.insert(place, {lower, std::move(traits)});
}

std::vector<Offer> offers_for(const ir::Node& node, const LowerTarget& target) {
  std::vector<Offer> offers;
  for (const Lowering& lowering : lowerings_of(node)) {
    Offer offer = ask(lowering, node, target);
    if (offer.step || !offer.refusal.empty()) offers.push_back(std::move(offer));
  }
  return offers;
}

std::optional<std::string> first_tactic(const ir::Node& node, const LowerTarget& target) {
  for (const Lowering& lowering : lowerings_of(node))
    if (Offer offer = ask(lowering, node, target); offer.step) return std::move(offer.tactic);
  return std::nullopt;
}

bool has_rivals(const ir::Node& node) { return lowerings_of(node).size() > 1; }

std::optional<ref::StepChoice> lower_as(const ir::Node& node, const LowerTarget& target,
                                        const std::string& tactic) {
  for (const Lowering& lowering : lowerings_of(node)) {
    if (!lowering.traits.name.empty() && lowering.traits.name != tactic) continue;
    const Offer offer = ask(lowering, node, target);
    if (offer.step && offer.tactic == tactic) return lowering.lower(node, target);
  }
  return std::nullopt;
}

std::optional<ref::StepChoice> lower_node(const ir::Node& node, const LowerTarget& target) {
  for (const Lowering& lowering : lowerings_of(node)) {
    if (!target.disabled.empty() && !ask(lowering, node, target).step) continue;
    if (auto step = lowering.lower(node, target)) return step;
  }
  return std::nullopt;
}

const ir::Node* fused_root(const ir::Node& node) {
  const ir::Graph* body = node.subgraph("body");
  if (body == nullptr) return nullptr;
  for (const auto& inner : body->nodes())
    if (!is_tape_node(*inner) && inner->op() != "DequantizeLinear" &&
        inner->op() != "QuantizeLinear")
      return inner.get();
  return nullptr;
}

bool is_f32(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() && v->type().dtype == DType::kF32;
}

bool has_rank(const ir::Value* v) { return v != nullptr && v->type().has_rank(); }

}  // namespace planish::cpu
