// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <mutex>

#include "base/str.h"
#include "capi/runtime/handles.h"
#include "plan/diff.h"
#include "plan/reader.h"
#include "plan/writer.h"

using planish::Dims;
using planish::Engine;
using planish::EngineOptions;
using planish::Error;
using planish::ErrorCode;
using planish::Type;
using planish::capi::deref;
using planish::capi::guard;
using planish::capi::options_of;
using planish::capi::text;

namespace {

const planish::plan::Port& port(const planish::Engine& engine, int i) {
  const auto inputs = static_cast<int>(engine.inputs().size());
  return i < inputs ? engine.inputs()[static_cast<size_t>(i)]
                    : engine.outputs()[static_cast<size_t>(i - inputs)];
}

std::string shape_text(const Dims& dims) { return planish::join(dims, "x"); }

bool has_port(const planish_engine* engine, int i) {
  return engine != nullptr && i >= 0 && i < static_cast<int>(engine->io_types.size());
}

}  // namespace

planish_engine::planish_engine(std::shared_ptr<planish::Engine> made) : engine(std::move(made)) {
  const auto count = static_cast<int>(engine->inputs().size() + engine->outputs().size());
  for (int i = 0; i < count; ++i) {
    const Type& type = port(*engine, i).type;
    io_types.push_back(type.to_string());
    io_dims.emplace_back();
    if (type.has_rank())
      for (const planish::Dim& d : *type.shape) io_dims.back().push_back(d.to_string());
  }
  for (const auto& item : engine->plan().metadata) metadata.push_back(item);
  for (const auto& profile : engine->plan().profiles)
    for (const auto& range : profile.inputs)
      for (const Dims* dims : {&range.min, &range.opt, &range.max})
        profile_shapes.push_back(shape_text(*dims));
}

planish_status planish_engine_load(const char* path, int flags, const planish_options* options,
                                   planish_engine** engine) {
  return guard([&] {
    auto loaded = Engine::load(text(path, "path"), EngineOptions::from(options_of(options)),
                               (flags & 1) == 0);
    deref(engine, "engine") = new planish_engine(std::move(loaded));
  });
}

planish_status planish_engine_load_bytes(const void* data, size_t bytes,
                                         const planish_options* options, planish_engine** engine) {
  return guard([&] {
    if (data == nullptr && bytes != 0) throw Error(ErrorCode::kInvalidArgument, "data is null");
    planish::plan::Plan plan =
        planish::plan::read_plan({static_cast<const std::byte*>(data), bytes});
    auto made = Engine::create(std::move(plan), EngineOptions::from(options_of(options)));
    deref(engine, "engine") = new planish_engine(std::move(made));
  });
}

planish_status planish_engine_save(const planish_engine* engine, const char* path) {
  return guard([&] {
    planish::plan::save_plan(deref(engine, "engine").engine->plan(), text(path, "path"));
  });
}

planish_status planish_engine_serialize(const planish_engine* engine, planish_value** bytes) {
  return guard([&] {
    const std::vector<std::byte> plan =
        planish::plan::write_plan(deref(engine, "engine").engine->plan());
    planish::Tensor t(planish::DType::kU8, {static_cast<int64_t>(plan.size())});
    std::memcpy(t.data(), plan.data(), plan.size());
    deref(bytes, "bytes") = new planish_value{planish::Datum(std::move(t))};
  });
}

void planish_engine_release(planish_engine* engine) { delete engine; }

int planish_engine_input_count(const planish_engine* engine) {
  return engine != nullptr ? static_cast<int>(engine->engine->inputs().size()) : 0;
}
int planish_engine_output_count(const planish_engine* engine) {
  return engine != nullptr ? static_cast<int>(engine->engine->outputs().size()) : 0;
}
const char* planish_engine_io_name(const planish_engine* engine, int i) {
  return has_port(engine, i) ? port(*engine->engine, i).name.c_str() : "";
}
int planish_engine_io_kind(const planish_engine* engine, int i) {
  if (!has_port(engine, i)) return PLANISH_NONE;
  switch (port(*engine->engine, i).type.kind) {
    case Type::Kind::kTensor: return PLANISH_TENSOR;
    case Type::Kind::kSequence: return PLANISH_SEQUENCE;
    case Type::Kind::kMap: return PLANISH_MAP;
    default: return PLANISH_NONE;
  }
}
int planish_engine_io_dtype(const planish_engine* engine, int i) {
  return has_port(engine, i) ? static_cast<int>(port(*engine->engine, i).type.dtype) : 0;
}
int planish_engine_io_rank(const planish_engine* engine, int i) {
  if (!has_port(engine, i) || !port(*engine->engine, i).type.has_rank()) return -1;
  return static_cast<int>(port(*engine->engine, i).type.shape->size());
}
const char* planish_engine_io_dim(const planish_engine* engine, int i, int axis) {
  if (axis < 0 || axis >= planish_engine_io_rank(engine, i)) return "";
  return engine->io_dims[static_cast<size_t>(i)][static_cast<size_t>(axis)].c_str();
}
int64_t planish_engine_io_dim_value(const planish_engine* engine, int i, int axis) {
  if (axis < 0 || axis >= planish_engine_io_rank(engine, i)) return -1;
  const planish::Dim& d = (*port(*engine->engine, i).type.shape)[static_cast<size_t>(axis)];
  return d.is_constant() ? d.value() : -1;
}
const char* planish_engine_io_type(const planish_engine* engine, int i) {
  return has_port(engine, i) ? engine->io_types[static_cast<size_t>(i)].c_str() : "";
}

int planish_engine_profile_count(const planish_engine* engine) {
  return engine != nullptr ? static_cast<int>(engine->engine->plan().profiles.size()) : 0;
}
const char* planish_engine_profile_shape(const planish_engine* engine, int profile, int input,
                                         int which) {
  const int inputs = planish_engine_input_count(engine);
  if (profile < 0 || profile >= planish_engine_profile_count(engine) || input < 0 ||
      input >= inputs || which < 0 || which > 2)
    return "";
  return engine
      ->profile_shapes[(static_cast<size_t>(profile) * static_cast<size_t>(inputs) +
                        static_cast<size_t>(input)) *
                           3 +
                       static_cast<size_t>(which)]
      .c_str();
}

int planish_engine_metadata_count(const planish_engine* engine) {
  return engine != nullptr ? static_cast<int>(engine->metadata.size()) : 0;
}
const char* planish_engine_metadata_key(const planish_engine* engine, int i) {
  if (i < 0 || i >= planish_engine_metadata_count(engine)) return "";
  return engine->metadata[static_cast<size_t>(i)].first.c_str();
}
const char* planish_engine_metadata_value(const planish_engine* engine, int i) {
  if (i < 0 || i >= planish_engine_metadata_count(engine)) return "";
  return engine->metadata[static_cast<size_t>(i)].second.c_str();
}

planish_status planish_engine_describe(const planish_engine* engine, const char** json) {
  return guard([&] {
    // The text is kept by the handle; a second call makes the same text again.
    auto& handle = const_cast<planish_engine&>(deref(engine, "engine"));
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    if (handle.description.empty()) handle.description = planish::capi::describe(*handle.engine);
    deref(json, "json") = handle.description.c_str();
  });
}

planish_status planish_engine_summary(const planish_engine* engine, const char** json) {
  return guard([&] {
    thread_local std::string kept;
    kept = planish::capi::summarize(deref(engine, "engine").engine->plan());
    deref(json, "json") = kept.c_str();
  });
}

planish_status planish_engine_diff(const planish_engine* a, const planish_engine* b,
                                   const char** text) {
  return guard([&] {
    thread_local std::string kept;
    const planish::plan::Plan& left = deref(a, "engine").engine->plan();
    const planish::plan::Plan& right = deref(b, "engine").engine->plan();
    // Constants are compared by content.
    for (const planish::plan::Plan* plan : {&left, &right})
      if (plan->unchecked != nullptr) plan->unchecked->run(1);
    kept = planish::join(planish::plan::diff(left, right), "\n");
    deref(text, "text") = kept.c_str();
  });
}

planish_status planish_engine_memory(const planish_engine* engine, int profile, int64_t* weights,
                                     int64_t* arena, int64_t* lower_bound) {
  return guard([&] {
    const planish::MemoryReport report = deref(engine, "engine").engine->memory();
    if (profile < 0 || profile >= static_cast<int>(report.arenas.size()))
      throw Error(
          ErrorCode::kInvalidArgument,
          planish::concat("profile ", profile, ": expected 0 to ", report.arenas.size() - 1));
    const planish::ArenaReport& a = report.arenas[static_cast<size_t>(profile)];
    deref(weights, "weights") = static_cast<int64_t>(report.weight_bytes);
    deref(arena, "arena") = static_cast<int64_t>(a.arena_bytes);
    deref(lower_bound, "lower_bound") = static_cast<int64_t>(a.lower_bound);
  });
}
