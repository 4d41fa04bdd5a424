// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/str.h"
#include "capi/runtime/handles.h"

namespace planish::capi {
namespace {

using Json = nlohmann::ordered_json;

Json ports(const std::vector<plan::Port>& list) {
  Json out = Json::array();
  for (const plan::Port& port : list)
    out.push_back({{"name", port.name}, {"type", port.type.to_string()}});
  return out;
}

Json constants(const plan::Plan& plan) {
  Json out = Json::array();
  for (const plan::Constant& c : plan.constants) {
    Json row{{"type", concat(dtype_name(c.dtype()), "[", join(c.dims, ", "), "]")},
             {"bytes", c.data.bytes()}};
    if (c.is_splat) row["splat"] = true;
    out.push_back(std::move(row));
  }
  return out;
}

// Numbers and text as they are; tensors by their types.
Json describe_attribute(const Attribute& attribute) {
  return std::visit(
      [&](const auto& v) -> Json {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, Tensor>)
          return concat("tensor ", dtype_name(v.dtype()), " ", dims_to_string(v.dims()));
        else if constexpr (std::is_same_v<T, std::vector<Tensor>>)
          return concat(v.size(), " tensors");
        else if constexpr (std::is_same_v<T, Type>)
          return v.to_string();
        else
          return v;
      },
      attribute);
}

Json program_json(const plan::Program& program) {
  static constexpr const char* kStorages[] = {"input", "constant", "planned", "dynamic", "alias"};
  Json values = Json::array();
  for (const plan::Value& v : program.values) {
    Json row{{"name", v.name},
             {"type", v.type.to_string()},
             {"storage", kStorages[static_cast<size_t>(v.storage)]}};
    if (v.storage == plan::Storage::kConstant) row["constant"] = v.index;
    if (v.storage == plan::Storage::kAlias) row["of"] = v.index;
    values.push_back(std::move(row));
  }
  Json steps = Json::array();
  for (const plan::Step& s : program.steps) {
    Json step{{"kernel", s.kernel},
              {"op", s.op},
              {"node", s.node},
              {"inputs", s.inputs},
              {"outputs", s.outputs}};
    if (!s.tactic.empty()) step["tactic"] = s.tactic;
    // Of a step that launches kernels on a device.
    if (s.attributes.has("kernels")) step["launches"] = s.attributes.texts("kernels").size();
    for (const auto& [name, attribute] : s.attributes)
      step["attributes"][name] = describe_attribute(attribute);
    for (const plan::Subprogram& sub : s.subprograms) step["subprograms"][sub.name] = sub.program;
    steps.push_back(std::move(step));
  }
  return {{"name", program.name},
          {"inputs", program.inputs},
          {"outputs", program.outputs},
          {"values", std::move(values)},
          {"steps", std::move(steps)}};
}

// What is there without making the engine's kernels.
Json summary(const plan::Plan& plan) {
  Json out{{"made_by", plan.made_by},
           {"target", {{"backend", plan.target.backend}, {"isa", plan.target.isa}}},
           {"rebuild", plan.rebuild},
           {"inputs", ports(plan.inputs)},
           {"outputs", ports(plan.outputs)},
           {"metadata", plan.metadata}};
  Json symbols = Json::array();
  for (const plan::Symbol& s : plan.symbols)
    symbols.push_back({{"name", s.name}, {"min", s.range.min}, {"max", s.range.max}});
  out["symbols"] = std::move(symbols);
  Json profiles = Json::array();
  for (const plan::Profile& p : plan.profiles) {
    Json inputs = Json::object();
    for (size_t i = 0; i < p.inputs.size(); ++i)
      inputs[plan.inputs[i].name] = {
          {"min", p.inputs[i].min}, {"opt", p.inputs[i].opt}, {"max", p.inputs[i].max}};
    profiles.push_back({{"name", p.name}, {"inputs", std::move(inputs)}});
  }
  out["profiles"] = std::move(profiles);
  Json report = Json::array();
  for (const plan::Record& r : plan.report)
    report.push_back({{"kind", r.kind}, {"subject", r.subject}, {"fields", r.fields}});
  out["report"] = std::move(report);
  return out;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string describe_program(const plan::Program& program) { return dump(program_json(program)); }

std::string summarize(const plan::Plan& plan) {
  Json out = summary(plan);
  out["weights"] = plan::weight_bytes(plan);
  return dump(out);
}

std::string describe(const Engine& engine) {
  const plan::Plan& plan = engine.plan();
  Json out = summary(plan);
  const MemoryReport memory = engine.memory();
  Json arenas = Json::array();
  for (const ArenaReport& a : memory.arenas)
    arenas.push_back({{"profile", a.profile},
                      {"bytes", a.arena_bytes},
                      {"lower_bound", a.lower_bound},
                      {"bounded", a.bounded}});
  out["memory"] = {{"weights", memory.weight_bytes}, {"arenas", std::move(arenas)}};
  out["constants"] = constants(plan);
  for (const plan::Section& s : plan.sections) out["sections"][s.name] = s.data.bytes.size();
  Json programs = Json::array();
  for (const plan::Program& p : plan.programs) programs.push_back(program_json(p));
  out["programs"] = std::move(programs);
  return dump(out);
}

}  // namespace planish::capi
