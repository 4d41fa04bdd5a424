// SPDX-License-Identifier: Apache-2.0
#include "capi/runtime/handles.h"
#include "compiler/embedded_graph.h"

using planish::capi::deref;
using planish::capi::guard;

planish_status planish_engine_graph(const planish_engine* engine, const char** json) {
  return guard([&] {
    thread_local std::string kept;
    const auto program = planish::embedded_graph(deref(engine, "engine").engine->plan());
    kept = program ? planish::capi::describe_program(*program) : std::string();
    deref(json, "json") = kept.c_str();
  });
}
