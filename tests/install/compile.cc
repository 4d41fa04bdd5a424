// SPDX-License-Identifier: Apache-2.0
// compile PLAN: makes a network, builds it, runs it and saves the plan.
#include <planish/network.h>

int main(int, char** argv) {
  planish::Network net("double");
  const auto x = net.add_input("x", 1, {"n"});
  net.mark_output(net.add("Add", {x, x}), "y");
  const planish::Engine engine = net.build();
  std::vector<float> in = {1, 2, 3};
  auto out = engine.create_context().run({{"x", planish::Value::tensor<float>({3}, in)}});
  engine.save(argv[1]);
  return out.at("y").as<float>()[2] == 6 ? 0 : 1;
}
