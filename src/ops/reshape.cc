// SPDX-License-Identifier: Apache-2.0
// Reshape: the same elements under other dimensions; 0 keeps the input's dimension (unless
// allowzero), one -1 takes what is left.
#include "base/str.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

struct Target {
  Shape shape;
  std::vector<bool> kept;  // copied from the input's dim at the same place
  int inferred = -1;       // place of the -1
};

Target read_target(InferContext& c, const Contents& wish, bool allow_zero) {
  Target t;
  for (size_t i = 0; i < wish.size(); ++i) {
    t.kept.push_back(false);
    if (!wish[i] || wish[i]->range().min < -1 ||
        (wish[i]->range().min < 0 && !wish[i]->is_constant())) {
      if (wish[i] && wish[i]->range().max < -1)
        c.fail(concat("dimension ", i, " of the new shape is ", wish[i]->to_string()),
               ErrorCode::kInvalidValue);
      t.shape.push_back(c.fresh_dim());
    } else if (*wish[i] == Dim(-1)) {
      if (t.inferred >= 0) c.fail("the new shape holds more than one -1", ErrorCode::kInvalidValue);
      t.inferred = static_cast<int>(i);
      t.shape.push_back(1);
    } else if (*wish[i] == Dim(0) && !allow_zero) {
      if (c.has_rank(0) && static_cast<int>(i) >= c.rank(0))
        c.fail(concat("dimension ", i, " of the new shape is 0 (kept), but the input is ",
                      c.input(0).to_string()),
               ErrorCode::kInvalidValue);
      t.kept.back() = c.has_rank(0);
      t.shape.push_back(c.has_rank(0) ? c.shape(0)[i] : c.fresh_dim());
    } else {
      t.shape.push_back(*wish[i]);
    }
  }
  return t;
}

// The dim for -1. Kept dims are left out of both sides, so that it is known even where they are 0.
Dim remaining_dim(InferContext& c, const Target& t) {
  if (!c.has_rank(0)) return c.fresh_dim();
  Dim total(1), known(1);
  for (size_t i = 0; i < c.shape(0).size(); ++i)
    if (i >= t.kept.size() || !t.kept[i]) total = total * c.shape(0)[i];
  for (size_t i = 0; i < t.shape.size(); ++i)
    if (!t.kept[i] && static_cast<int>(i) != t.inferred) known = known * t.shape[i];
  if (known == Dim(0))
    c.fail(concat("-1 is ambiguous in the new shape ", to_string(t.shape), ": it holds a 0"),
           ErrorCode::kInvalidValue);
  if (auto exact = Dim::exact_div(total, known)) return *exact;
  if (total.is_constant() && known.is_constant())
    c.fail(concat("the input ", c.input(0).to_string(), " does not divide into the new shape: ",
                  total.to_string(), " by ", known.to_string()));
  return total.floor_div(known);
}

void infer_reshape(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  check_rank(c, 1, 1);
  const auto wish = c.contents(1);
  if (!wish) {
    const auto rank = known_length(c, 1);
    if (rank && *rank > 1024) c.fail(concat("the new shape has ", *rank, " dimensions"));
    set_tensor(c, 0, dtype,
               rank ? std::optional(fresh_shape(c, static_cast<size_t>(*rank))) : std::nullopt);
    return;
  }
  Target t = read_target(c, *wish, flag(c.attributes(), "allowzero", false));
  if (t.inferred >= 0)
    t.shape[static_cast<size_t>(t.inferred)] = remaining_dim(c, t);
  else if (c.has_rank(0) && Dim::differs(product(c.shape(0)), product(t.shape)))
    c.fail(concat("the input ", c.input(0).to_string(),
                  " has not as many elements as the new shape ", to_string(t.shape)));
  if (t.shape.size() <= 1) pass_contents(c, 0);
  set_tensor(c, 0, dtype, std::move(t.shape));
}

void run_reshape(KernelContext& c) { copy_all(c.output(0), c.input(0)); }

const RegisterOp kReshape({.name = "Reshape",
                           .attributes = {optional("allowzero", AttrKind::kInt)},
                           .inputs = {2, 2},
                           .infer = infer_reshape,
                           .run = run_reshape,
                           .source = "https://onnx.ai/onnx/operators/onnx__Reshape.html"});

}  // namespace
}  // namespace planish
