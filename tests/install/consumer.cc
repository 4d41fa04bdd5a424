// SPDX-License-Identifier: Apache-2.0
#include <planish/error.h>
#include <planish/version.h>

#include <cstdio>

int main() {
  try {
    throw planish::Error(planish::ErrorCode::kInvalidPlan, "not a plan");
  } catch (const planish::Error& error) {
    std::printf("planish %s: %s\n", PLANISH_VERSION, error.code_name());
  }
}
