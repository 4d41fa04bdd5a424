// SPDX-License-Identifier: Apache-2.0
// serve PLAN: loads a plan and runs it; links the runtime alone.
#include <planish/planish.h>

int main(int, char** argv) {
  const planish::Engine engine = planish::load(argv[1]);
  std::vector<float> in = {4, 5};
  auto out = engine.create_context().run({{"x", planish::Value::tensor<float>({2}, in)}});
  try {
    planish::load("/nowhere.plan");
  } catch (const planish::Error& error) {
    return out.at("y").as<float>()[1] == 10 && error.code() == planish::ErrorCode::kFileError ? 0
                                                                                              : 1;
  }
  return 1;
}
