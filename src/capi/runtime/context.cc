// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/str.h"
#include "capi/runtime/handles.h"
#include "runtime/frame.h"

using planish::Datum;
using planish::Error;
using planish::ErrorCode;
using planish::Tensor;
using planish::capi::deref;
using planish::capi::guard;

struct planish_context {
  std::shared_ptr<planish::Engine> engine;
  std::unique_ptr<planish::Context> context;
  std::vector<Datum> inputs;
  std::vector<bool> is_set;
  std::vector<Datum> outputs;                 // of the last run
  const planish::StepEvent* event = nullptr;  // while a step callback runs
  std::string layout;
};

namespace {

size_t index_of(int i, size_t count, const char* what) {
  if (i < 0 || static_cast<size_t>(i) >= count)
    throw Error(ErrorCode::kInvalidArgument,
                planish::concat(what, " ", i, ": the engine has ", count));
  return static_cast<size_t>(i);
}

}  // namespace

planish_status planish_context_create(planish_engine* engine, int profile,
                                      planish_context** context) {
  return guard([&] {
    auto made = std::make_unique<planish_context>();
    made->engine = deref(engine, "engine").engine;
    const auto profiles = static_cast<int>(made->engine->plan().profiles.size());
    if (profile < planish::kAnyProfile || (profile > 0 && profile >= profiles))
      throw Error(ErrorCode::kInvalidArgument,
                  profiles == 0 ? planish::concat("profile ", profile, ": the engine has none")
                                : planish::concat("profile ", profile, ": expected 0 to ",
                                                  profiles - 1, ", or -1 for whichever fits"));
    made->context =
        made->engine->create_context({.profile = profiles == 0 ? planish::kAnyProfile : profile});
    made->inputs.resize(made->engine->inputs().size());
    made->is_set.resize(made->inputs.size());
    deref(context, "context") = made.release();
  });
}

void planish_context_release(planish_context* context) { delete context; }

planish_status planish_context_set_input(planish_context* context, int i, planish_value* value) {
  return guard([&] {
    planish_context& c = deref(context, "context");
    const size_t at = index_of(i, c.inputs.size(), "input");
    c.inputs[at] = value != nullptr ? value->datum : Datum();
    c.is_set[at] = true;
  });
}

planish_status planish_context_set_output(planish_context* context, int i, planish_value* value) {
  return guard([&] {
    planish_context& c = deref(context, "context");
    const planish::plan::Port& port =
        c.engine->outputs()[index_of(i, c.engine->outputs().size(), "output")];
    if (value == nullptr) return c.context->set_output(i, {});
    const Tensor& t = value->datum.tensor();
    if (t.dtype() != port.type.dtype)
      throw Error(ErrorCode::kInvalidType,
                  planish::concat("memory for output \"", port.name, "\": expected ",
                                  planish::dtype_name(port.type.dtype), ", got ",
                                  planish::dtype_name(t.dtype())));
    c.context->set_output(i, {const_cast<std::byte*>(t.data()), t.bytes()}, t.owner());
  });
}

void planish_context_set_allocator(planish_context* context, planish_allocate_callback callback,
                                   void* user) {
  if (context == nullptr) return;
  if (callback == nullptr) {
    context->context->set_allocator({});
    return;
  }
  context->context->set_allocator([callback, user](int output, size_t bytes) {
    return static_cast<std::byte*>(callback(output, bytes, user));
  });
}

planish_status planish_context_set_scratch(planish_context* context, void* data, size_t bytes) {
  return guard([&] {
    deref(context, "context").context->set_scratch({static_cast<std::byte*>(data), bytes});
  });
}

planish_status planish_context_set_stream(planish_context* context, void* stream, int own,
                                          int wait) {
  return guard([&] {
    deref(context, "context")
        .context->set_stream(own != 0 ? std::nullopt : std::optional<void*>(stream), wait != 0);
  });
}

planish_status planish_context_run(planish_context* context) {
  return guard([&] {
    planish_context& c = deref(context, "context");
    for (size_t i = 0; i < c.inputs.size(); ++i)
      if (!c.is_set[i])
        throw Error(ErrorCode::kInvalidArgument,
                    planish::concat("input \"", c.engine->inputs()[i].name, "\" is missing"));
    c.outputs.clear();
    c.outputs = c.context->run(c.inputs);
  });
}

planish_status planish_context_output(planish_context* context, int i, planish_value** value) {
  return guard([&] {
    planish_context& c = deref(context, "context");
    if (c.outputs.empty() && !c.engine->outputs().empty())
      throw Error(ErrorCode::kInvalidArgument, "the context has not run yet");
    deref(value, "value") = new planish_value{c.outputs[index_of(i, c.outputs.size(), "output")]};
  });
}

void planish_context_set_step_callback(planish_context* context, planish_step_callback callback,
                                       void* user) {
  if (context == nullptr) return;
  if (callback == nullptr) {
    context->context->set_observer({});
    return;
  }
  context->context->set_observer([context, callback, user](const planish::StepEvent& e) {
    context->event = &e;
    callback(e.step, e.info->node.c_str(), e.info->op.c_str(), e.info->kernel.c_str(), e.start,
             e.seconds, user);
    context->event = nullptr;
  });
}

int planish_context_step_program(const planish_context* context) {
  return context == nullptr || context->event == nullptr ? -1 : context->event->program;
}

planish_status planish_context_step_output(planish_context* context, int k, planish_value** value) {
  return guard([&] {
    const planish::StepEvent* event = deref(context, "context").event;
    if (event == nullptr)
      throw Error(ErrorCode::kInvalidArgument,
                  "the outputs of a step are there inside a step callback only");
    const Datum* datum = event->outputs[index_of(k, event->outputs.size(), "output")];
    deref(value, "value") =
        new planish_value{datum == nullptr ? Datum() : planish::deep_copy(*datum, event->device)};
  });
}

planish_status planish_context_layout(planish_context* context, const char** json) {
  return guard([&] {
    planish_context& c = deref(context, "context");
    const planish::ArenaLayout layout = c.context->layout();
    nlohmann::ordered_json out{{"bytes", layout.arena_bytes},
                               {"lower_bound", layout.lower_bound},
                               {"device_bytes", layout.device_bytes},
                               {"device_lower_bound", layout.device_lower_bound},
                               {"placements", nlohmann::ordered_json::array()}};
    for (const planish::Placement& p : layout.placements) {
      nlohmann::ordered_json row;
      if (p.value >= 0) row["value"] = p.value;
      row.update({{"first_step", p.first_step},
                  {"last_step", p.last_step},
                  {"offset", p.offset},
                  {"bytes", p.bytes}});
      if (p.on_device) row["on_device"] = true;
      out["placements"].push_back(std::move(row));
    }
    c.layout = out.dump();
    deref(json, "json") = c.layout.c_str();
  });
}
