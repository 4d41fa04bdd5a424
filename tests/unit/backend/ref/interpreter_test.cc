// SPDX-License-Identifier: Apache-2.0
#include "backend/ref/compile/interpreter.h"

#include <gmock/gmock.h>

#include "support/onnx_builder.h"
#include "tensor/elements.h"

namespace planish::testing {
namespace {

using ::testing::ElementsAre;

// A value that the body both uses and gives out lives to the end of every iteration.
TEST(Interpreter, BodiesRunSeveralTimes) {
  SubgraphBuilder body;
  body.input("i", DType::kI64, {}).input("c", DType::kBool, {}).input("s", DType::kF32, {2});
  body.node("Add", {"s", "x"}, {"t"}).node("Neg", {"t"}, {"n"}).node("Identity", {"c"}, {"d"});
  body.output("d").output("t").output("n");
  ModelBuilder m;
  m.input("x", DType::kF32, {2}).constant(int64_tensor("trips", {}, {3}));
  m.node("Loop", {"trips", "", "x"}, {"y", "all"}, {attr("body", body.graph())});
  m.output("y").output("all");
  if (find_op("Loop") == nullptr) GTEST_SKIP();
  Tensor x(DType::kF32, {2});
  store<double>(x, std::vector<double>{1, 10});
  RunBudget budget;
  const auto out = ref::interpret(*m.import(), {x}, budget);
  EXPECT_THAT(load<double>(out[0].tensor()), ElementsAre(4, 40));
  EXPECT_THAT(load<double>(out[1].tensor()), ElementsAre(-2, -20, -3, -30, -4, -40));
}

}  // namespace
}  // namespace planish::testing
