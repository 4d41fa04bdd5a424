// SPDX-License-Identifier: Apache-2.0
// Attention in the spellings of exporters:
//
//   MatMul(Softmax(s + mask), V),  s = c * MatMul(Q, K')  =  Attention(Q, K, V, mask; scale = c)
//
// The number c may stand on Q, on K, on both or on the product; there may be several masks, as
// added numbers or as Where with a large negative number; the softmax may be guarded against rows
// that may attend nothing. Transposes and Reshapes around it stay.
#include <algorithm>
#include <cmath>

#include "passes/canonicalize/recognize.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

// A fill that leaves nothing of a score added to it.
constexpr double kNothing = -1e9;

struct Spelling {
  ir::Value *q = nullptr, *k_turned = nullptr, *v = nullptr;
  const Shape* scores = nullptr;  // of the product
  double scale = 1;
  std::vector<ir::Value*> added;  // masks
  struct Choice {
    ir::Value* condition;
    bool keeps;  // where the condition holds
    ir::Value* fill;
  };
  std::vector<Choice> choices;
  // Masks that are added while the batch is split in two, as windows of an image are:
  // Reshape(Reshape(s, [a, b, ..]) + mask, [a * b, ..]).
  struct Windowed {
    ir::Value* mask;   // rank 5
    ir::Value* split;  // [a, b, ..]
  };
  std::vector<Windowed> windowed;
};

bool is_scores(const ir::Value* v) { return v->type().has_rank() && has_one_use(v); }

// Whether a mask leaves the shape of the scores, but for a length that is not known to be theirs
// (an input's dimension of its own): the product with the values holds it to that.
bool keeps_scores(const ir::Value* x, const ir::Value* masked) {
  if (!x->type().has_rank() || !masked->type().has_rank()) return false;
  const Shape &a = *x->type().shape, &b = *masked->type().shape;
  if (a.size() != b.size() || a.empty()) return false;
  return std::equal(a.begin(), a.end() - 1, b.begin()) &&
         (a.back() == b.back() || !b.back().is_constant());
}

int64_t last_axis(const ir::Value* v) { return static_cast<int64_t>(v->type().shape->size()) - 1; }

bool is_last_axis(int64_t axis, const ir::Value* v) { return axis == -1 || axis == last_axis(v); }

// Softmax over the last axis below `v`, directly or in Where(IsNaN(p), 0, p).
ir::Node* softmax_below(ir::Value* v) {
  ir::Node* softmax = producer(v, "Softmax");
  if (const ir::Node* guard = producer(v, "Where")) {
    const ir::Node* test = producer(guard->input(0), "IsNaN");
    softmax = producer_any_users(guard->input(2), "Softmax");
    if (test == nullptr || softmax == nullptr || test->input(0) != guard->input(2) ||
        !is_splat(guard->input(1), 0) || guard->input(2)->uses().size() != 2)
      return nullptr;
  }
  if (softmax == nullptr || !softmax->output()->type().has_rank()) return nullptr;
  return is_last_axis(softmax->attributes().integer("axis", -1), softmax->output()) ? softmax
                                                                                    : nullptr;
}

// The part of Mul(x, number) or Div(x, number) that is not the number; null if it is neither.
ir::Value* unscaled(const ir::Value* v, double* factor) {
  const ir::Node* node = v->producer();
  double number = 0;
  if (node == nullptr || !node->output()->type().has_rank()) return nullptr;
  ir::Value* x = nullptr;
  if (node->op() == "Mul" && splat_value(node->input(1), &number)) x = node->input(0);
  if (node->op() == "Mul" && x == nullptr && splat_value(node->input(0), &number))
    x = node->input(1);
  if (node->op() == "Div" && splat_value(node->input(1), &number) && number != 0) {
    x = node->input(0);
    number = 1 / number;
  }
  if (x == nullptr || !same_shape(x, v)) return nullptr;
  *factor *= number;
  return x;
}

// `part` if it is Reshape(s, [a, b, ..]) of scores s like `whole`, [a * b, ..]; else null.
ir::Value* windows_of(ir::Value* part, const ir::Value* whole) {
  const ir::Node* split = producer(part, "Reshape");
  if (split == nullptr || !same_shape(split->input(0), whole) || !part->type().has_rank())
    return nullptr;
  const Shape &parts = *part->type().shape, &scores = *whole->type().shape;
  if (parts.size() != scores.size() + 1 ||
      !std::equal(scores.begin() + 1, scores.end(), parts.begin() + 2))
    return nullptr;
  return parts[0] * parts[1] == scores[0] ? part : nullptr;
}

// Reads the scores from `v` down to the product; false if there is none. A mask is added to scores
// that are scaled already, so none may stand below a number.
bool read_scores(ir::Value* v, Spelling& found, int depth) {
  if (const ir::Node* product = producer(v, "MatMul")) {
    found.q = product->input(0);
    found.k_turned = product->input(1);
    found.scores = v->type().has_rank() ? &*v->type().shape : nullptr;
    return found.scores != nullptr;
  }
  const ir::Node* node = v->producer();
  if (node == nullptr || depth == 0 || !is_scores(v)) return false;
  if (ir::Value* x = unscaled(v, &found.scale)) return read_scores(x, found, depth - 1);
  if (found.scale != 1) return false;
  const Spelling before = found;
  auto goes_on = [&](ir::Value* x) {
    return keeps_scores(x, v) && is_scores(x) && read_scores(x, found, depth - 1);
  };
  for (int i = 0; node->op() == "Add" && i < 2; ++i) {
    found = before;
    found.added.push_back(node->input(1 - i));
    if (goes_on(node->input(i))) return true;
  }
  for (int i = 0; node->op() == "Reshape" && i < 2; ++i) {
    const ir::Node* add = producer(node->input(0), "Add");
    ir::Value* split = add != nullptr ? windows_of(add->input(i), v) : nullptr;
    if (split == nullptr || !same_shape(split, add->output())) continue;
    found = before;
    found.windowed.push_back({add->input(1 - i), split});
    if (goes_on(split->producer()->input(0))) return true;
  }
  for (int i = 1; node->op() == "Where" && i < 3; ++i) {
    double fill = 0;
    if (!splat_value(node->input(3 - i), &fill) || fill > kNothing) continue;
    found = before;
    found.choices.push_back({node->input(0), i == 1, node->input(3 - i)});
    if (goes_on(node->input(i))) return true;
  }
  return false;
}

// A number on Q or K moves to the scores.
void take_factor(ir::Value*& side, double* scale) {
  if (ir::Value* x = unscaled(side, scale)) side = x;
}

bool broadcasts_to(const ir::Value* mask, const Shape& scores) {
  if (!mask->type().has_rank()) return false;
  const Shape& shape = *mask->type().shape;
  if (shape.empty() || shape.size() > scores.size()) return false;
  if (!(shape.back() == scores.back()) && shape.back().is_constant()) return false;
  for (size_t i = 2; i <= shape.size(); ++i) {
    const Dim& d = shape[shape.size() - i];
    if (!(d == Dim(1)) && !(d == scores[scores.size() - i])) return false;
  }
  return true;
}

// K as Attention takes it: rows of keys. The transpose meets the exporter's own.
ir::Value* with_last_two_swapped(Patch& patch, ir::Value* v) {
  std::vector<int64_t> perm;
  for (size_t i = 0; i < v->type().shape->size(); ++i) perm.push_back(static_cast<int64_t>(i));
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return patch.add("Transpose", {v}, {{"perm", perm}});
}

// Whether such a mask can be spread over the batch: a mask of constant size but for the batch.
bool fits_windows(const Spelling::Windowed& w, const Shape& scores) {
  if (!w.mask->type().has_rank()) return false;
  const Shape &mask = *w.mask->type().shape, &split = *w.split->type().shape;
  if (mask.size() != split.size() || !(mask.back() == scores.back())) return false;
  for (size_t i = 0; i < mask.size(); ++i) {
    if (!(mask[i] == Dim(1)) && !(mask[i] == split[i])) return false;
    if (i >= 2 && (!mask[i].is_constant() || mask[i].value() < 1)) return false;
  }
  return true;
}

ir::Value* spread_over_batch(Patch& patch, const Spelling::Windowed& w) {
  const Shape& mask = *w.mask->type().shape;
  ir::Value* batch = patch.add("Shape", {w.split}, {{"end", int64_t{2}}});
  ir::Value* ones = patch.constant(std::vector<int64_t>(mask.size() - 2, 1));
  ir::Value* target = patch.add("Concat", {batch, ones}, {{"axis", int64_t{0}}});
  std::vector<int64_t> joined = {-1};
  for (size_t i = 2; i < mask.size(); ++i) joined.push_back(mask[i].value());
  return patch.add("Reshape", {patch.add("Expand", {w.mask, target}), patch.constant(joined)});
}

// One mask for all: the sum of what is added and of 0 or the fill for each choice.
ir::Value* joint_mask(Patch& patch, const Spelling& found) {
  std::vector<ir::Value*> terms = found.added;
  for (const Spelling::Choice& choice : found.choices) {
    Tensor zero(choice.fill->type().dtype, {});
    store<double>(zero, {0.0});
    ir::Value* none = patch.constant(std::move(zero));
    Tensor fill(choice.fill->type().dtype, {});
    store<double>(fill, {element<double>(choice.fill->constant(), 0)});
    ir::Value* nothing = patch.constant(std::move(fill));
    terms.push_back(choice.keeps ? patch.add("Where", {choice.condition, none, nothing})
                                 : patch.add("Where", {choice.condition, nothing, none}));
  }
  for (const Spelling::Windowed& w : found.windowed) terms.push_back(spread_over_batch(patch, w));
  if (terms.empty()) return nullptr;
  ir::Value* sum = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) sum = patch.add("Add", {sum, terms[i]});
  return sum;
}

// Attention takes a mask that is shorter than the keys for one that is cut off, so a length that is
// not known to be theirs is made so.
ir::Value* of_full_length(Patch& patch, ir::Value* mask, ir::Value* k_turned) {
  const Shape& keys = *k_turned->type().shape;
  const Shape& shape = *mask->type().shape;
  if (shape.back() == keys.back()) return mask;
  const auto rank = static_cast<int64_t>(shape.size());
  ir::Value* length =
      patch.add("Shape", {k_turned}, {{"start", static_cast<int64_t>(keys.size()) - 1}});
  ir::Value* wide = patch.add("Expand", {mask, length});
  ir::Value* outer = patch.add("Shape", {mask}, {{"end", rank - 1}});
  ir::Value* whole = patch.add("Concat", {outer, length}, {{"axis", int64_t{0}}});
  return patch.add("Reshape", {wide, whole});
}

// Whether the shapes are those of Attention: equal batches and heads, K as long as V.
bool fits_attention(const Spelling& found, const Shape& scores) {
  for (const ir::Value* v : {found.q, found.k_turned, found.v})
    if (!v->type().has_rank() || v->type().shape->size() != scores.size()) return false;
  const Shape &q = *found.q->type().shape, &k = *found.k_turned->type().shape,
              &v = *found.v->type().shape;
  const size_t rank = scores.size();
  for (size_t i = 0; i + 2 < rank; ++i)
    if (!(q[i] == k[i]) || !(q[i] == v[i])) return false;
  if (!(k[rank - 1] == v[rank - 2]) || !(q[rank - 1] == k[rank - 2])) return false;
  auto fits = [&](const ir::Value* mask) { return broadcasts_to(mask, scores); };
  return std::all_of(found.added.begin(), found.added.end(), fits) &&
         std::all_of(found.choices.begin(), found.choices.end(),
                     [&](const Spelling::Choice& c) { return fits(c.condition); }) &&
         std::all_of(found.windowed.begin(), found.windowed.end(),
                     [&](const Spelling::Windowed& w) { return fits_windows(w, scores); });
}

bool attention(ir::Node& node, Patch& patch) {
  const ir::Node* softmax = softmax_below(node.input(0));
  if (softmax == nullptr) return false;
  const DType dtype = node.output()->type().dtype;
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) return false;
  Spelling found;
  found.v = node.input(1);
  constexpr int kMostSteps = 8;
  if (!read_scores(softmax->input(0), found, kMostSteps)) return false;
  take_factor(found.q, &found.scale);
  take_factor(found.k_turned, &found.scale);
  const Shape scores = *found.scores;
  if ((scores.size() != 3 && scores.size() != 4) || !fits_attention(found, scores)) return false;
  // Keys that lie the other way round would have to be turned for it.
  if (producer_any_users(found.k_turned, "Transpose") == nullptr && !found.k_turned->is_constant())
    return false;
  ir::Value* k = with_last_two_swapped(patch, found.k_turned);
  ir::Value* mask = joint_mask(patch, found);
  if (mask != nullptr) mask = of_full_length(patch, mask, found.k_turned);
  std::vector<ir::Value*> inputs = {found.q, k, found.v};
  if (mask != nullptr) inputs.push_back(mask);
  const bool has_heads = scores.size() == 4;
  if (!has_heads) {
    for (ir::Value*& in : inputs)
      if (in->type().shape->size() == 3)
        in = patch.add("Unsqueeze", {in, patch.constant(std::vector<int64_t>{1})});
  }
  ir::Value* y = patch.add("Attention", inputs, {{"scale", found.scale}});
  if (!has_heads) y = patch.add("Squeeze", {y, patch.constant(std::vector<int64_t>{1})});
  patch.replace(node.output(), y);
  return true;
}

// The heads that `v` repeats: v = Reshape(Expand(x of [b, heads, 1, l, d], [b, heads, times, l,
// d]), [b, heads * times, l, d]); gives x as [b, heads, l, d], or null.
ir::Value* repeated(Patch& patch, const ir::Value* v) {
  const ir::Node* join = producer_any_users(v, "Reshape");
  const ir::Node* expand = join != nullptr ? producer_any_users(join->input(0), "Expand") : nullptr;
  if (expand == nullptr || !expand->output()->type().has_rank() ||
      !expand->input(0)->type().has_rank())
    return nullptr;
  const Shape& wide = *expand->output()->type().shape;
  const Shape& narrow = *expand->input(0)->type().shape;
  const Shape& joined = *v->type().shape;
  if (wide.size() != 5 || narrow.size() != 5 || joined.size() != 4 || !(narrow[2] == Dim(1)))
    return nullptr;
  for (size_t i : {0, 1, 3, 4})
    if (!(wide[i] == narrow[i])) return nullptr;
  if (!(joined == Shape{wide[0], wide[1] * wide[2], wide[3], wide[4]})) return nullptr;
  return patch.add("Squeeze", {expand->input(0), patch.constant(std::vector<int64_t>{2})});
}

// Attention(q, k and v with each head repeated) = Attention(q, k, v): query heads share key heads
bool shared_heads(ir::Node& node, Patch& patch) {
  if (node.inputs().size() > 4 || node.outputs().size() != 1) return false;
  for (int i = 0; i < 3; ++i)
    if (!node.input(i)->type().has_rank() || node.input(i)->type().shape->size() != 4) return false;
  std::vector<ir::Value*> inputs = node.inputs();
  for (size_t i : {1, 2})
    if (inputs[i] = repeated(patch, inputs[i]); inputs[i] == nullptr) return false;
  const Dim &keys = (*inputs[1]->type().shape)[1], &values = (*inputs[2]->type().shape)[1];
  if (!keys.is_constant() || !(keys == values)) return false;
  patch.replace(node.output(), patch.add("Attention", inputs, node.attributes()));
  return true;
}

constexpr Rule kRules[] = {
    {"attention", "MatMul", attention},
    {"attention-shared-heads", "Attention", shared_heads},
};

}  // namespace

bool recognize_attention(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
