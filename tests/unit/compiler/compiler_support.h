// SPDX-License-Identifier: Apache-2.0
// Networks in text form, built as users' models are.
#pragma once

#include <memory>
#include <string>

#include "compiler/builder.h"
#include "ir/text.h"
#include "planish/error.h"
#include "runtime/context.h"
#include "runtime/engine.h"

namespace planish::test {

inline BuildRequest cpu_request(const std::string& isa = "auto") {
  BuildRequest request;
  request.options.device = "cpu";
  request.options.threads = 1;
  request.options.level = 0;
  request.options.isa = isa;
  return request;
}

inline plan::Plan build_text(const std::string& text, const BuildRequest& request = cpu_request()) {
  return build_graph(ir::parse(text), request);
}

inline std::unique_ptr<Context> context_of(const std::string& text,
                                           const BuildRequest& request = cpu_request()) {
  return Engine::create(build_text(text, request), EngineOptions::from(request.options))
      ->create_context();
}

}  // namespace planish::test
