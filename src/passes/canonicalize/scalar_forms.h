// SPDX-License-Identifier: Apache-2.0
// Arithmetic with scalar constants in any spelling, as numbers: what a matcher of formulas needs so
// that the order of operands and the place of factors do not matter.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace planish::passes {

// factor * factors[0] * factors[1] * ...
struct Product {
  double factor = 1;
  std::vector<ir::Value*> factors;
  std::vector<ir::Node*> nodes;  // that the product is spelled with
};

// Takes Mul, Neg and Div by a scalar constant apart, through values that nothing else uses. `v` may
// have any users.
Product product_of(ir::Value* v);

// Coefficients of powers of x from 0 up to kMaxDegree.
inline constexpr int kMaxDegree = 3;
using Polynomial = std::vector<double>;

// `v` as a polynomial in the value `x`, spelled with Add, Sub, Mul, Neg, Pow by a whole number, Div
// by a constant, and scalar constants; nodes are appended to `nodes`. Nothing if it is not one.
std::optional<Polynomial> polynomial_in(ir::Value* v, const ir::Value* x,
                                        std::vector<ir::Node*>& nodes);
// The only value that is not a scalar constant below `v`'s Add, Sub, Mul, Neg and Div by a
// constant; null if there are several.
ir::Value* only_leaf(ir::Value* v);

// Within the precision of `dtype` (constants of half precision are coarse).
bool is_near(double a, double b, DType dtype);
bool is_near(const Polynomial& a, const Polynomial& b, DType dtype);

}  // namespace planish::passes
