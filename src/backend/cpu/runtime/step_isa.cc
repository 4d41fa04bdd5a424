// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/runtime/step_isa.h"

#include "base/str.h"
#include "planish/error.h"

namespace planish::cpu {
namespace {

bool find_isa(std::string_view name, Isa* isa) {
  for (Isa candidate : kAllIsas)
    if (name == isa_name(candidate)) {
      *isa = candidate;
      return true;
    }
  return false;
}

void check_target(const plan::Target& target, const EngineOptions& options) {
  Isa isa{};
  if (!find_isa(target.isa, &isa))
    throw Error(ErrorCode::kInvalidPlan,
                concat("the plan names the unknown instruction set ", target.isa));
  Isa allowed = best_isa();
  if (options.isa != "auto" && !find_isa(options.isa, &allowed))
    throw Error(ErrorCode::kInvalidArgument, concat("there is no instruction set ", options.isa));
  if (!isa_supported(isa))
    throw Error(
        ErrorCode::kVersionMismatch,
        concat("the plan was made for ", target.isa, ", this processor has ", isa_name(best_isa())),
        "", concat("build the model again on this machine, or with isa=", isa_name(best_isa())));
  if (static_cast<int>(isa) > static_cast<int>(allowed))
    throw Error(ErrorCode::kVersionMismatch,
                concat("the plan was made for ", target.isa, ", but the options allow ",
                       options.isa, " only"),
                "", concat("build the model again with isa=", options.isa));
}

const RegisterBackend kCpu({.name = "cpu", .check = check_target});

}  // namespace

Isa step_isa(const StepInfo& info) {
  Isa isa{};
  info.require(find_isa(info.plan().target.isa, &isa), "the plan names an unknown instruction set");
  return isa;
}

}  // namespace planish::cpu
